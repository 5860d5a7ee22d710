//! Both architectures as processes that send their spans to a collector.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
    time::Duration,
};

use contract::{
    databases::TestDatabase,
    dataset::PASSWORD,
    process::{Server, binary, command, eventually},
};

/// The servers of one architecture.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    /// The server of the pages first, the worker last.
    servers: Vec<Server>,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Site {
    /// Pages, API and jobs in one process.
    pub(crate) fn monolith(database: &TestDatabase, more: &[(&str, &str)]) -> Self {
        let servers = vec![with_data("monolith", "serve", database, more)];
        Self { name: "monolith", servers }
    }

    /// Each in a process of its own.
    pub(crate) fn split(database: &TestDatabase, more: &[(&str, &str)]) -> Self {
        let backend = with_data("split-backend", "serve", database, more);
        let worker = with_data("split-backend", "work", database, more);
        let url = format!("http://{}", backend.address);
        let frontend = start("split-frontend", "serve", &[more, &[("BACKEND_URL", &url)]].concat());
        Self { name: "split", servers: vec![frontend, backend, worker] }
    }

    fn pages(&self) -> &Server {
        &self.servers[0]
    }

    /// Asks a page, or sends a form.
    pub(crate) fn ask(&self, what: &str, headers: &[&str], form: &str) -> Answer {
        let address = &self.pages().address;
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut request = format!("{what} HTTP/1.0\r\nhost: {address}\r\n");
        for header in headers {
            request += &format!("{header}\r\n");
        }
        if what.starts_with("POST") {
            request += "content-type: application/x-www-form-urlencoded\r\n";
        }
        request += &format!("content-length: {}\r\n\r\n{form}", form.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        Answer { status: text.split(' ').nth(1).unwrap().parse().unwrap(), text }
    }

    /// Signs in, and gives the header with the session.
    pub(crate) fn sign_in(&self, email: &str) -> String {
        let form = format!("email={}&password={PASSWORD}", email.replace('@', "%40"));
        let answer = self.ask("POST /login", &[], &form);
        let (_, cookie) = answer.text.split_once("conduit_session=").unwrap();
        format!("cookie: conduit_session={}", cookie.split(';').next().unwrap())
    }

    /// Waits until so many jobs of a kind are done.
    pub(crate) fn wait_for_jobs(&self, kind: &str, jobs: u32) {
        let worker = self.servers.last().unwrap();
        let line = format!("conduit_jobs_total{{kind=\"{kind}\",outcome=\"done\"}} {jobs}");
        eventually("the jobs are done", || {
            let metrics = worker.get("/metrics").unwrap().body;
            metrics.lines().any(|it| it == line)
        });
    }

    /// Stops all of it in order: by then everything is sent.
    pub(crate) fn stop(self) {
        for server in self.servers {
            server.terminate().unwrap();
            assert!(server.wait().unwrap().0.success());
        }
    }
}

fn with_data(program: &str, role: &str, database: &TestDatabase, more: &[(&str, &str)]) -> Server {
    let data = database.args.data_dir.to_str().unwrap();
    let url = database.args.database_url.as_ref().map_or("", |url| url.expose());
    // No digest is due while a test runs.
    let mut env = vec![("DATA_DIR", data), ("DIGEST_SCHEDULE", "0 0 29 2 *")];
    if !url.is_empty() {
        env.push(("DATABASE_URL", url));
    }
    start(program, role, &[more, &env].concat())
}

fn start(program: &str, role: &str, env: &[(&str, &str)]) -> Server {
    let mut env = env.to_vec();
    env.push(("LISTEN", "127.0.0.1:0"));
    if env.iter().all(|(name, _)| *name != "LOG") {
        env.push(("LOG", "off"));
    }
    let mut command = command(&binary(program), &[role], &env);
    command.stderr(Stdio::inherit());
    Server::start(command).unwrap()
}
