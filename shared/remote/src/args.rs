//! Where the backend is, as the command line says it.

use std::path::{Path, PathBuf};

use http::uri::Authority;

/// Settings of the connection to the backend.
#[derive(Clone, Debug, clap::Args)]
pub struct BackendArgs {
    /// Where the backend listens: http://HOST:PORT, without the path of the API, or unix:/FILE for the
    /// Unix socket of a backend on this host
    #[arg(long, env = "BACKEND_URL", value_name = "URL")]
    pub backend_url: String,

    /// Version of HTTP between the servers: 1 is HTTP/1.1, with as many connections as there are calls
    /// in flight; 2 is HTTP/2 without TLS, with one connection that all calls share
    #[arg(long, env = "BACKEND_HTTP", value_name = "VERSION", default_value = "1")]
    pub backend_http: HttpVersion,
}

/// How the backend is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum HttpVersion {
    /// HTTP/1.1: one call at a time over a connection.
    #[default]
    #[value(name = "1")]
    One,
    /// HTTP/2 with prior knowledge, that is, without asking first whether the backend speaks it: many
    /// calls at a time over a connection.
    #[value(name = "2")]
    Two,
}

/// Why the connection to a backend can't even be prepared. One line that names the setting.
#[derive(Debug, thiserror::Error)]
#[error("--backend-url: {0}")]
pub struct StartError(&'static str);

/// Where a backend can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Host and port, such as `localhost:8001`.
    Tcp(Authority),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// The longest name of a Unix socket, in bytes: what fits into the kernel's structure, with a zero at
/// the end.
const MAX_SOCKET_NAME: usize = 107;

impl BackendArgs {
    /// A backend at this address, and everything else as it is where no flag says otherwise.
    pub fn at(backend_url: impl Into<String>) -> Self {
        Self { backend_url: backend_url.into(), backend_http: HttpVersion::default() }
    }

    /// Where the backend is.
    ///
    /// The messages don't repeat the address: somebody may have put a password into it.
    pub(crate) fn address(&self) -> Result<Address, StartError> {
        match self.backend_url.trim().split_once(':') {
            Some((scheme, file)) if scheme.eq_ignore_ascii_case("unix") => socket(file),
            _ => self.authority().map(Address::Tcp),
        }
    }

    fn authority(&self) -> Result<Authority, StartError> {
        const EXPECTED: StartError =
            StartError("expected something like http://localhost:8001 or unix:/run/backend.sock");
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

fn socket(file: &str) -> Result<Address, StartError> {
    // Both forms are common.
    let path = Path::new(file.strip_prefix("//").unwrap_or(file));
    // A relative one would mean another file from another directory.
    if !path.is_absolute() {
        return Err(StartError(
            "expected an absolute path after unix:, as in unix:/run/backend.sock",
        ));
    }
    if path.as_os_str().len() > MAX_SOCKET_NAME {
        return Err(StartError("the path of a Unix socket has at most 107 bytes"));
    }
    Ok(Address::Unix(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(url: &str) -> Result<String, StartError> {
        Ok(match BackendArgs::at(url).address()? {
            Address::Tcp(authority) => authority.to_string(),
            Address::Unix(path) => format!("the file {}", path.display()),
        })
    }

    #[test]
    fn an_address_may_end_with_a_slash_or_not() {
        assert_eq!(authority("http://localhost:8001").unwrap(), "localhost:8001");
        assert_eq!(authority(" HTTP://backend/ ").unwrap(), "backend");
        assert_eq!(authority("http://[::1]:8001").unwrap(), "[::1]:8001");
        assert_eq!(authority("http://[::1]").unwrap(), "[::1]");
    }

    #[test]
    fn a_socket_is_named_by_its_file() {
        for url in ["unix:/run/a.sock", "unix:///run/a.sock", " UNIX:/run/a.sock "] {
            assert_eq!(authority(url).unwrap(), "the file /run/a.sock", "{url}");
        }
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
            "unix:",
            "unix:a.sock",
            "unix://host",
            &format!("unix:/{}", "x".repeat(107)),
        ] {
            let message = authority(url).expect_err(url).to_string();
            assert!(message.starts_with("--backend-url: "), "{message}");
            assert!(!message.contains('\n') && !message.contains("s3cret"), "{message}");
        }
    }
}
