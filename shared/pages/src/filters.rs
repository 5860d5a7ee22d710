//! How values of the port look in a template: `{{ value|filter }}`.

#![expect(unreachable_pub, reason = "`filter_fn` writes public methods for private filters")]

use std::fmt;

use askama::{FastWritable, Values, filter_fn, filters::Safe};
use chrono::{DateTime, Datelike, Utc};
use conduit::{JobState, Timestamp, wire::path::SEGMENT};
use percent_encoding::{PercentEncode, utf8_percent_encode};

use crate::{assets, escape};

/// A name as one segment of an address.
#[filter_fn]
pub(crate) fn segment<'a>(name: &'a str, _: &dyn Values) -> askama::Result<Safe<Encoded<'a>>> {
    Ok(Safe(Encoded::new(name)))
}

/// An address of this site as the value of a query parameter.
#[filter_fn]
pub(crate) fn query<'a>(address: &'a str, _: &dyn Values) -> askama::Result<Safe<Encoded<'a>>> {
    Ok(Safe(Encoded::new(address)))
}

/// The same, outside of a template. Slashes too: an address in an address must not pass for where
/// somebody is.
pub(crate) fn query_value(address: &str) -> PercentEncode<'_> {
    utf8_percent_encode(address, SEGMENT)
}

/// A name with escapes in place of all that could mean something in an address, or in HTML: it can
/// be written as it is.
pub(crate) enum Encoded<'a> {
    /// There is nothing to escape, as in most names and in all slugs.
    Plain(&'a str),
    /// There is.
    Escaped(PercentEncode<'a>),
}

impl<'a> Encoded<'a> {
    fn new(name: &'a str) -> Self {
        if escape::is_plain_in_address(name) {
            Self::Plain(name)
        } else {
            Self::Escaped(query_value(name))
        }
    }
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(name) => f.write_str(name),
            Self::Escaped(pieces) => pieces.fmt(f),
        }
    }
}

impl FastWritable for Encoded<'_> {
    fn write_into(&self, to: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        match self {
            Self::Plain(name) => to.write_str(name)?,
            Self::Escaped(pieces) => {
                pieces.clone().try_for_each(|piece| to.write_str(piece))?;
            }
        }
        Ok(())
    }
}

/// The day of a point in time: `January 20, 2026`.
#[filter_fn]
pub(crate) fn day(time: &Timestamp, _: &dyn Values) -> askama::Result<Safe<Day>> {
    Ok(Safe(Day((*time).into())))
}

/// What becomes of a job.
#[filter_fn]
pub(crate) fn state(state: &JobState, _: &dyn Values) -> askama::Result<&'static str> {
    Ok(match state {
        JobState::Delayed => "waits for its next attempt",
        JobState::Ready => "waits for its turn",
        JobState::Running => "is being done",
        JobState::Dead => "has failed",
        JobState::Parked => "waits for a newer version of this site",
    })
}

/// The address of somebody's picture, see [`avatar_of`].
#[filter_fn]
pub(crate) fn avatar<'a>(image: &'a Option<String>, _: &dyn Values) -> askama::Result<&'a str> {
    Ok(avatar_of(image.as_deref()))
}

/// A picture's address is shown as its owner wrote it, if it is one that a browser can load as a
/// picture. Everybody else gets the default one, also who has written `javascript:…`.
fn avatar_of(image: Option<&str>) -> &str {
    let starts_with = |address: &str, prefix: &str| {
        address.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let loads = |address: &&str| {
        ["https://", "http://", "data:image/", "/"].iter().any(|p| starts_with(address, p))
    };
    image.filter(loads).unwrap_or(&assets::DEFAULT_AVATAR.path)
}

/// Written out by hand, because a general date format would be parsed for every article again.
pub(crate) struct Day(DateTime<Utc>);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let month = MONTHS[self.0.month0() as usize];
        write!(f, "{month} {}, {}", self.0.day(), self.0.year())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_out() {
        let day = |seconds| Day(DateTime::from_timestamp(seconds, 0).unwrap()).to_string();
        assert_eq!(day(0), "January 1, 1970");
        assert_eq!(day(1_768_919_220), "January 20, 2026");
        assert_eq!(day(1_798_761_599), "December 31, 2026");
    }

    #[test]
    fn only_what_can_be_a_picture_is_taken_as_an_avatar() {
        for good in ["https://a.example/b.png?x=1&y=2", "HTTP://a/b", "data:image/png;base64,AA"] {
            assert_eq!(avatar_of(Some(good)), good);
        }
        for bad in ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "", "é"] {
            assert!(avatar_of(Some(bad)).ends_with("default-avatar.svg"), "{bad}");
        }
        assert!(avatar_of(None).ends_with("default-avatar.svg"));
    }
}
