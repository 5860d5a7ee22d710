//! Real server processes for tests: start one on a free port, ask it things, stop it.
//!
//! Deliberately plain (threads, blocking sockets, HTTP/1.0): a smoke test should not need the
//! libraries that it tests.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long anything here may take before the test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// A server that has said that it is ready. It is killed when this value goes.
pub struct Server {
    child: Child,
    /// `host:port`, from the ready line.
    pub address: String,
    /// The ready line as printed.
    pub ready_line: String,
    rest_of_stdout: mpsc::Receiver<String>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Everything after the headers.
    pub body: String,
}

/// A command with an environment that holds nothing but `env`: a developer's own variables must
/// not decide a test.
pub fn command(binary: &str, args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    command.args(args).env_clear().envs(env.iter().copied()).stdin(Stdio::null());
    command
}

/// The program of one of the servers, for tests that are not in its package. All of them are built
/// first, unless `CONDUIT_BINARIES` says where they are: a test of yesterday's server is worth nothing.
///
/// # Panics
/// When they can't be built: these are tests.
pub fn binary(program: &str) -> String {
    let path = binaries().join(program);
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn binaries() -> &'static PathBuf {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        if let Some(folder) = env::var_os("CONDUIT_BINARIES") {
            let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
            return root.join(folder);
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--locked", "--quiet"]);
        for package in ["contract", "monolith", "split-frontend", "split-backend"] {
            cargo.args(["--package", package]);
        }
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo, which runs this test").success());
        // This test is in `deps`, right beside them.
        let test = env::current_exe().expect("a program");
        test.ancestors().nth(2).expect("a folder").to_owned()
    })
}

impl Server {
    /// Starts a server and waits for its ready line.
    ///
    /// # Errors
    /// When the process ends, or stays silent for 20 s, before it is ready.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().context("spawn")?;
        let stdout = child.stdout.take().context("stdout")?;
        let (lines, received) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let Ok(ready_line) = received.recv_timeout(LIMIT) else {
            let _already_gone = child.kill();
            bail!("no ready line; exit status {:?}", child.wait());
        };
        let address = ready_line
            .strip_prefix("ready http://")
            .and_then(|rest| rest.split(' ').next())
            .with_context(|| format!("not a ready line: {ready_line:?}"))?
            .to_owned();
        Ok(Self { child, address, ready_line, rest_of_stdout: received })
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When there is no answer, or it is not HTTP.
    pub fn get(&self, path: &str) -> anyhow::Result<Answer> {
        get(&self.address, path)
    }

    /// Sends `POST path` but for the last byte of its body, and returns when a handler is waiting
    /// for that byte: the request is in flight then, beyond doubt.
    ///
    /// # Errors
    /// When the server does not ask for the body.
    pub fn begin_post(
        &self,
        path: &str,
        content_type: &str,
        body: &str,
    ) -> anyhow::Result<Pending> {
        let mut stream = connect(&self.address)?;
        let (address, length) = (&self.address, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: {content_type}\r\ncontent-length: {length}\r\n\
             expect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut go_ahead = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut go_ahead)?;
        if !go_ahead.starts_with(b"HTTP/1.1 100") {
            bail!("answered before the body: {:?}", String::from_utf8_lossy(&go_ahead));
        }
        let (sent, last) = body.as_bytes().split_at(length.saturating_sub(1));
        stream.write_all(sent)?;
        Ok(Pending { stream, last: last.to_vec() })
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has died or ended by itself.
    pub fn has_ended(&mut self) -> bool {
        // What can't be asked for its end is nobody's child any more.
        self.child.try_wait().map_or(true, |status| status.is_some())
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// When the process is gone already.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    /// When the process is gone already.
    pub fn interrupt(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGINT)
    }

    /// Stops the process where it is, until [`thaw`](Self::thaw).
    ///
    /// # Errors
    /// When the process is gone already.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When the process is gone already.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().try_into()?), signal)?)
    }

    /// Waits for the end; also gives what was printed on stdout after the ready line.
    ///
    /// # Errors
    /// When the process can't be waited for.
    pub fn wait(mut self) -> anyhow::Result<(ExitStatus, Vec<String>)> {
        let status = self.child.wait()?;
        Ok((status, self.rest_of_stdout.iter().collect()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}

/// Runs a command that is expected to fail and gives what it said on stderr.
///
/// # Errors
/// When it succeeds, says anything on stdout, or still runs after 20 s.
pub fn refusal(mut command: Command) -> anyhow::Result<String> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > LIMIT {
            child.kill()?;
            bail!("it did not refuse: {:?}", child.wait_with_output()?);
        }
        std::thread::yield_now();
    }
    let output = child.wait_with_output()?;
    if output.status.success() || !output.stdout.is_empty() {
        bail!("it did not refuse: {output:?}");
    }
    Ok(String::from_utf8(output.stderr)?)
}

/// A request in flight, see [`Server::begin_post`].
pub struct Pending {
    stream: TcpStream,
    last: Vec<u8>,
}

impl Pending {
    /// Sends the last byte and reads the answer.
    ///
    /// # Errors
    /// When there is no answer, or it is not HTTP.
    pub fn finish(mut self) -> anyhow::Result<Answer> {
        self.stream.write_all(&self.last)?;
        read_answer(self.stream)
    }
}

/// `GET path` from a server that somebody else started.
///
/// # Errors
/// When there is no answer, or it is not HTTP.
pub fn get(address: &str, path: &str) -> anyhow::Result<Answer> {
    let mut stream = connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes())?;
    read_answer(stream)
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn read_answer(mut stream: TcpStream) -> anyhow::Result<Answer> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status line")?.parse()?;
    Ok(Answer { status, body: body.to_owned() })
}

/// Tries again until `what` holds; for conditions that come about in another process.
///
/// # Panics
/// When it still does not hold after 20 s.
pub fn eventually(condition: &str, what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < LIMIT, "still not the case: {condition}");
        std::thread::yield_now();
    }
}
