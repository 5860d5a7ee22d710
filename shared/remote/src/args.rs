//! Where the backend is, as the command line says it.

use reqwest::Url;

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
pub struct StartError(String);

impl StartError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl BackendArgs {
    /// The origin of the backend, such as `http://localhost:8001`.
    ///
    /// The messages don't repeat the address: somebody may have put a password into it.
    pub(crate) fn origin(&self) -> Result<Url, StartError> {
        let url = Url::parse(self.backend_url.trim()).map_err(|reason| {
            StartError::new(format!("{reason} (expected something like http://localhost:8001)"))
        })?;
        let problem = if url.scheme() != "http" {
            "only http:// is supported; put a proxy in front if the backend is far away"
        } else if !url.username().is_empty() || url.password().is_some() {
            "must not contain a user name or password"
        } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            "must end after the port; the path of the API is added to it"
        } else {
            return Ok(url);
        };
        Err(StartError::new(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Result<String, StartError> {
        let url = BackendArgs { backend_url: url.to_owned() }.origin()?;
        Ok(url.origin().ascii_serialization())
    }

    #[test]
    fn an_origin_may_end_with_a_slash_or_not() {
        assert_eq!(origin("http://localhost:8001").unwrap(), "http://localhost:8001");
        assert_eq!(origin(" http://backend/ ").unwrap(), "http://backend");
        assert_eq!(origin("http://[::1]:8001").unwrap(), "http://[::1]:8001");
    }

    #[test]
    fn a_bad_address_is_refused_in_one_line_that_names_the_flag() {
        for url in [
            "",
            "localhost",
            "localhost:8001",
            "http://",
            "https://backend",
            "ftp://backend",
            "http://backend/api",
            "http://backend?x=1",
            "http://backend#x",
            "http://me:s3cret@backend",
        ] {
            let message = origin(url).unwrap_err().to_string();
            assert!(message.starts_with("--backend-url: "), "{message}");
            assert!(!message.contains('\n') && !message.contains("s3cret"), "{message}");
        }
    }
}
