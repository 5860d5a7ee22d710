//! Where the backend is, as the command line says it.

use http::uri::Authority;

/// Settings of the connection to the backend.
#[derive(Clone, Debug, clap::Args)]
pub struct BackendArgs {
    /// Where the backend listens, without the path of the API: http://HOST:PORT
    #[arg(long, env = "BACKEND_URL", value_name = "URL")]
    pub backend_url: String,
}

/// Why the connection to a backend can't even be prepared. One line that names the setting.
#[derive(Debug, thiserror::Error)]
#[error("--backend-url: {0}")]
pub struct StartError(&'static str);

impl BackendArgs {
    /// Host and port of the backend, such as `localhost:8001`.
    ///
    /// The messages don't repeat the address: somebody may have put a password into it.
    pub(crate) fn authority(&self) -> Result<Authority, StartError> {
        const EXPECTED: StartError = StartError("expected something like http://localhost:8001");
        let text = self.backend_url.trim();
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(StartError(
                "only http:// is supported; put a proxy in front if the backend is far away",
            ));
        }
        if rest.contains('@') {
            return Err(StartError("must not contain a user name or password"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(StartError("must end after the port; the path of the API is added to it"));
        }
        let authority: Authority = rest.parse().map_err(|_| EXPECTED)?;
        // A port that is no number up to 65535 is none, but stands in the text.
        let is_whole = authority.port().is_some() || authority.host() == rest;
        if is_whole && !authority.host().is_empty() { Ok(authority) } else { Err(EXPECTED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(url: &str) -> Result<String, StartError> {
        let authority = BackendArgs { backend_url: url.to_owned() }.authority()?;
        Ok(authority.to_string())
    }

    #[test]
    fn an_address_may_end_with_a_slash_or_not() {
        assert_eq!(authority("http://localhost:8001").unwrap(), "localhost:8001");
        assert_eq!(authority(" HTTP://backend/ ").unwrap(), "backend");
        assert_eq!(authority("http://[::1]:8001").unwrap(), "[::1]:8001");
        assert_eq!(authority("http://[::1]").unwrap(), "[::1]");
    }

    #[test]
    fn a_bad_address_is_refused_in_one_line_that_names_the_flag() {
        for url in [
            "",
            "localhost",
            "localhost:8001",
            "http://",
            "http://:8001",
            "http://backend:",
            "http://backend:65536",
            "http://back end",
            "http://::1",
            "https://backend",
            "ftp://backend",
            "http://backend/api",
            "http://backend//",
            "http://backend?x=1",
            "http://backend#x",
            "http://me:s3cret@backend",
        ] {
            let message = authority(url).expect_err(url).to_string();
            assert!(message.starts_with("--backend-url: "), "{message}");
            assert!(!message.contains('\n') && !message.contains("s3cret"), "{message}");
        }
    }
}
