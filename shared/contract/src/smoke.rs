//! What every server with a database does from outside, whichever front doors it has: come up, stay
//! quiet on stdout, drain on SIGTERM, and refuse bad settings in one line. The binaries' own tests
//! name the binary and its role; what is demanded stands here.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::process::{Server, command, eventually, refusal};

/// A server's binary and the role that it reports.
#[derive(Clone, Copy)]
pub struct Program {
    /// Path of the binary.
    pub binary: &'static str,
    /// Its role in the ready line.
    pub role: &'static str,
}

impl Program {
    /// `serve` on a free port with its data in `data`, and nothing else in the environment.
    ///
    /// # Panics
    /// When the server does not come up: these are tests.
    pub fn serve(self, data: &TempDir) -> Server {
        let data = data.path().to_str().expect("a temporary path in UTF-8");
        let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data];
        Server::start(command(self.binary, &args, &[])).expect("a ready server")
    }

    /// It comes up on an empty data directory, says so in exactly one line, and answers operators.
    ///
    /// # Panics
    /// When it does not.
    pub fn comes_up_and_stops(self) {
        let data = tempfile::tempdir().expect("a temporary directory");
        let server = self.serve(&data);
        assert_eq!(
            server.ready_line,
            format!("ready http://{} role={}", server.address, self.role)
        );
        for path in ["/healthz", "/readyz", "/api/tags"] {
            assert_eq!(server.get(path).expect(path).status, 200, "{path}");
        }
        let metrics = server.get("/metrics").expect("metrics").body;
        let counted = metrics.lines().any(|line| line.starts_with("conduit_sql_statements_total "));
        assert!(counted, "{metrics}");
        let by_route = r#"conduit_http_request_seconds_count{route="/api/tags",status="2xx"} 1"#;
        assert!(metrics.lines().any(|line| line == by_route), "{metrics}");
        assert!(metrics.contains("\nprocess_resident_memory_bytes "), "{metrics}");
        let missing = server.get("/api/nothing-here").expect("an answer");
        assert_eq!((missing.status, missing.body.as_str()), (404, ROUTE_NOT_FOUND));

        let health = ["healthcheck", "--listen", &server.address];
        assert!(command(self.binary, &health, &[]).status().expect("to run").success());

        server.terminate().expect("to be alive");
        let (status, more_lines) = server.wait().expect("to end");
        assert!(status.success(), "{status}");
        assert!(more_lines.is_empty(), "{more_lines:?}");
    }

    /// After SIGTERM it takes no new connection, answers what is in flight, and exits with 0.
    ///
    /// # Panics
    /// When it does not.
    pub fn drains(self) {
        let data = tempfile::tempdir().expect("a temporary directory");
        let server = self.serve(&data);
        let body = r#"{"user":{"email":"nobody@example.com","password":"not-the-password"}}"#;
        let pending = server
            .begin_post("/api/users/login", "application/json", body)
            .expect("a request in flight");
        server.terminate().expect("to be alive");
        eventually("no new connections", || server.get("/healthz").is_err());
        assert_eq!(pending.finish().expect("an answer").status, 401);
        assert!(server.wait().expect("to end").0.success());
    }

    /// With a delay it says first that it is about to stop, and serves as before; a second signal
    /// cuts that short.
    ///
    /// # Panics
    /// When it does not.
    pub fn leaves(self) {
        let data = tempfile::tempdir().expect("a temporary directory");
        let data = data.path().to_str().expect("a temporary path in UTF-8");
        let long = ["--shutdown-delay-seconds", "3600"];
        let args = [&["serve", "--listen", "127.0.0.1:0", "--data-dir", data][..], &long].concat();
        let server = Server::start(command(self.binary, &args, &[])).expect("a ready server");
        let asks = |path| server.get(path).expect("an answer").status;
        assert_eq!(asks("/readyz"), 200);
        server.terminate().expect("to be alive");
        eventually("it says that it is about to stop", || asks("/readyz") == 503);
        for path in ["/healthz", "/api/tags", "/api/articles"] {
            assert_eq!(asks(path), 200, "{path}");
        }
        server.terminate().expect("to be alive");
        assert!(!server.wait().expect("to end").0.success());
    }

    /// Bad settings: one line that names the setting, and an exit code that is not 0.
    ///
    /// # Panics
    /// When a setting is accepted, or refused in any other way.
    pub fn refuses_bad_settings(self) {
        let data = tempfile::tempdir().expect("a temporary directory");
        let data = data.path().to_str().expect("a temporary path in UTF-8");
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let taken = taken.local_addr().expect("an address").to_string();
        // The flag that the refusal names, further flags, environment.
        type Case<'a> = (&'a str, Vec<&'a str>, Vec<(&'a str, &'a str)>);
        let cases: Vec<Case<'_>> = vec![
            ("--listen", vec!["--listen", &taken], vec![]),
            ("--data-dir", vec!["--data-dir", "/dev/null/below"], vec![]),
            ("--database-url", vec![], vec![("DATABASE_URL", "mysql://x")]),
            ("--database-url", vec![], vec![("DATABASE_URL", "postgres://u:s3cret@127.0.0.1:1/x")]),
            (
                "--token-secret-file",
                vec!["--production"],
                vec![("TOKEN_SECRET_FILE", "/does/not/exist")],
            ),
            ("--lab", vec!["--production", "--lab", "x.json"], vec![]),
            ("--lab", vec![], vec![("LAB_FILE", "/does/not/exist")]),
            ("--log", vec!["--log", "x=y=z"], vec![]),
            ("--otlp-endpoint", vec!["--otlp-endpoint", "https://u:s3cret@tracer"], vec![]),
            ("--trace-share", vec!["--trace-share", "2"], vec![]),
            ("--cache-entries", vec!["--cache-entries", "many"], vec![]),
            ("--cache-seconds", vec![], vec![("CACHE_SECONDS", "0")]),
            ("--cors-origin", vec!["--cors-origin", "example.com"], vec![]),
            ("--cors-origin", vec![], vec![("CORS_ORIGINS", "http://a.example,*")]),
        ];
        for (setting, args, mut env) in cases {
            env.extend([("LISTEN", "127.0.0.1:0"), ("DATA_DIR", data)]);
            let args = [vec!["serve"], args].concat();
            let said = refusal(command(self.binary, &args, &env)).expect(setting);
            let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
            assert_eq!(errors.len(), 1, "{setting}: {said}");
            assert!(errors[0].contains(setting), "{setting}: {said}");
            assert!(!said.contains("s3cret"), "{setting}: {said}");
        }
    }
}

const ROUTE_NOT_FOUND: &str = r#"{"errors":{"route":["not found"]}}"#;
