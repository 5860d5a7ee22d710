//! Which web sites may call the API from their visitors' browsers.
//!
//! A browser asks the API before it lets a page of another origin read an answer (the Fetch
//! standard calls it CORS). By default the answer is no, and nothing else changes: who isn't a
//! browser never asks. The app's own pages don't need it, because their servers talk to the API.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::{
    Router,
    http::{
        HeaderValue, Method, Uri,
        header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
    },
};
use conduit::wire::REQUEST_ID;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what it was told, at most (Chromium forgets after two hours).
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Who may call the API from a browser.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CorsArgs {
    /// Origin whose pages may call the API from a browser, such as <https://app.example.com>; may be
    /// given several times, and in the variable as a list with commas [default: none]
    #[arg(
        id = "cors_origins",
        long = "cors-origin",
        env = "CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub origins: Vec<String>,
}

/// The same, checked.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

impl Cors {
    /// Checks the origins. An empty one counts as none, because that is how a compose file says that
    /// a variable is not set.
    ///
    /// # Errors
    /// When one is not what a browser would send as its page's origin. One line that names the setting.
    pub fn new(args: &CorsArgs) -> anyhow::Result<Self> {
        let given = args.origins.iter().map(|origin| origin.trim());
        let given = given.filter(|origin| !origin.is_empty());
        let checked = given.map(|text| {
            check(text).with_context(|| format!("--cors-origin: {text:?} is no origin"))
        });
        Ok(Self { origins: checked.collect::<anyhow::Result<_>>()? })
    }

    /// The API as the browsers' pages from these origins may call it.
    pub fn around(self, api: Router) -> Router {
        if self.origins.is_empty() {
            return api;
        }
        // No cookies and no other credentials of the browser's: a token is in a header that only a
        // page that knows it can send.
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.origins))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, REQUEST_ID])
            .expose_headers([REQUEST_ID, RETRY_AFTER])
            .max_age(MAX_AGE);
        api.layer(layer)
    }
}

/// Browsers send `scheme://host[:port]`, in small letters and without the scheme's own port (RFC
/// 6454, 6.2). Anything else would be compared with it for ever and never be equal.
fn check(text: &str) -> anyhow::Result<HeaderValue> {
    let url: Uri = text.parse().context("expected something like https://app.example.com")?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        bail!("expected something like https://app.example.com");
    };
    let own_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => bail!("only http:// and https:// can be"),
    };
    if authority.as_str().contains('@') {
        bail!("it must not contain a user name or password");
    }
    if text.contains('*') {
        bail!("name each host that you mean");
    }
    if text != format!("{scheme}://{authority}") {
        bail!("it must end after the host or the port");
    }
    if authority.port_u16() == Some(own_port) {
        bail!("browsers leave the port out when it is {own_port}");
    }
    if authority.as_str().ends_with(':') || text.contains(|c: char| c.is_ascii_uppercase()) {
        bail!("browsers send it in small letters, and no colon without a port");
    }
    Ok(HeaderValue::try_from(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> anyhow::Result<Cors> {
        Cors::new(&CorsArgs { origins: origins.iter().map(|&origin| origin.to_owned()).collect() })
    }

    #[test]
    fn what_browsers_send_is_taken_and_blanks_count_as_none() {
        let given =
            ["", " ", "https://app.example.com", " http://localhost:5173 ", "http://[::1]:8"];
        let origins = cors(&given).unwrap().origins;
        assert_eq!(origins, ["https://app.example.com", "http://localhost:5173", "http://[::1]:8"]);
    }

    #[test]
    fn what_no_browser_would_send_is_refused_in_one_line_that_names_the_setting() {
        for origin in [
            "*",
            "null",
            "example.com",
            "localhost:5173",
            "https://",
            "ftp://example.com",
            "https://example.com/",
            "https://example.com/api",
            "https://example.com?x",
            "https://example.com:443",
            "http://example.com:80",
            "https://example.com:",
            "https://Example.com",
            "HTTPS://example.com",
            "https://me@example.com",
            "https://exämple.com",
            "https://*.example.com",
            "https://a b",
        ] {
            let message = match cors(&["https://fine.example", origin]) {
                Err(error) => format!("{error:#}"),
                Ok(_) => panic!("{origin} was taken"),
            };
            assert!(message.starts_with("--cors-origin: "), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
