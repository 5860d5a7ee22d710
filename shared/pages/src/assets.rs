//! The few files that pages refer to. They are part of the binary, and their addresses change with
//! their content, so that a browser asks for each of them only once.
//!
//! They are compressed once, when the server first needs them. Pages are not compressed at all: that
//! costs more than making them, and a proxy in front can do it where the network is slow.

use std::{
    io::{self, Write},
    sync::LazyLock,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use conduit::Conduit;
use flate2::{Compression, write::GzEncoder};

use crate::{App, error, visit::Visit};

/// A file in the binary.
pub(crate) struct Asset {
    name: &'static str,
    content_type: HeaderValue,
    bytes: &'static [u8],
    /// The same, smaller; `None` if it would not be.
    gzip: Option<Vec<u8>>,
    /// Where it is served: `/static/<hash of the content>/<name>`.
    pub(crate) path: String,
}

/// What everything looks like.
pub(crate) static STYLESHEET: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("conduit.css", "text/css; charset=utf-8", include_bytes!("../static/conduit.css"))
});

/// What saves some pages from being loaded again. All of them work without it.
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content_type = "text/javascript; charset=utf-8";
    Asset::new("conduit.js", content_type, include_bytes!("../static/conduit.js"))
});

/// The picture of accounts that have none.
pub(crate) static DEFAULT_AVATAR: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("default-avatar.svg", SVG, include_bytes!("../static/default-avatar.svg"))
});

/// The icon in the browser's tab.
pub(crate) static FAVICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("favicon.svg", SVG, include_bytes!("../static/favicon.svg")));

const SVG: &str = "image/svg+xml";

/// Under which address a file of this name is served, if there is one.
pub fn address_of(name: &str) -> Option<&'static str> {
    ALL.into_iter().find(|asset| asset.name == name).map(|asset| asset.path.as_str())
}

static ALL: [&LazyLock<Asset>; 4] = [&STYLESHEET, &SCRIPT, &DEFAULT_AVATAR, &FAVICON];

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let path = format!("/static/{:016x}/{name}", fnv1a(bytes));
        let gzip = gzip(bytes).ok().filter(|gzip| gzip.len() < bytes.len());
        Self { name, content_type: HeaderValue::from_static(content_type), bytes, gzip, path }
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Whether the other side has said that it understands gzip (RFC 9110, 12.5.3). `*` speaks for
/// whatever is not named; a weight of 0 means no.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight_of = |name: &str| {
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        let mut items =
            lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        items.find_map(|item| {
            let (coding, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            coding.trim().eq_ignore_ascii_case(name).then_some(weight.unwrap_or(0.0))
        })
    };
    weight_of("gzip").or_else(|| weight_of("*")).is_some_and(|weight| weight > 0.0)
}

/// FNV-1a with 64 bits (draft-eastlake-fnv): short, and good enough to tell versions of a file
/// apart. It is no protection against anyone.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Serves a file.
///
/// While a new version is being rolled out, a page of one replica may ask another replica, which
/// has other content for that name, for its stylesheet. It gets what there is, and is told not to
/// keep it.
pub(crate) async fn serve<C: Conduit>(
    State(app): State<App<C>>,
    request_headers: HeaderMap,
    visit: Visit,
) -> Response {
    let name = visit.uri().path().rsplit('/').next();
    let Some(asset) = ALL.into_iter().find(|asset| name == Some(asset.name)) else {
        return error::not_found(State(app), visit).await;
    };
    let cache = if visit.uri().path() == asset.path {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let gzip = asset.gzip.as_deref().filter(|_| accepts_gzip(&request_headers));
    let mut response = Response::new(Body::from(gzip.unwrap_or(asset.bytes)));
    let headers = response.headers_mut();
    if gzip.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, asset.content_type.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the FNV reference.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn gzip_is_sent_only_to_those_who_ask_for_it() {
        let accepts = |lines: &[&'static str]| {
            let line =
                |line: &&'static str| (header::ACCEPT_ENCODING, HeaderValue::from_static(line));
            accepts_gzip(&lines.iter().map(line).collect())
        };
        for lines in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br;q=1.0, GZIP;q=0.8"],
            &["br", "gzip"],
            &["*"],
            &["identity;q=0.5, *;q=0.1"],
            &["gzip ; q=0.001"],
        ] {
            assert!(accepts(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[""],
            &["br"],
            &["identity"],
            &["gzip;q=0"],
            &["gzip;q=0.000, *"],
            &["*;q=0"],
            &["gzip;q=much"],
            &["gzipped"],
        ] {
            assert!(!accepts(lines), "{lines:?}");
        }
    }
}
