//! What the lab puts between servers: the relay that balances ([`crate::relay`]) and the link that
//! delays ([`crate::link`]). Each is a process of its own, so that its CPU can be told from that of
//! the servers and of the lab, and it has a core by affinity like everybody else.
//!
//! Both talk to the lab in the same way. An intermediary prints `ready ADDR:PORT role=ROLE` when it
//! listens; from then on every line on its stdin is an order, answered by one line of JSON on its
//! stdout, and the end of stdin is the end of the process: it can't outlive a lab that was killed.

use std::{
    io::{self, BufRead, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use nix::unistd::Pid;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    time::timeout,
};

use crate::servers;

/// How long an intermediary may take to listen, to answer an order, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// How intermediaries are started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The lab's own program, of which they are hidden commands.
    pub lab: PathBuf,
    /// The guardian's mark, name and value: a process that carries it is ended with the run.
    pub mark: (&'static str, String),
}

/// A running intermediary. It ends when this value goes.
#[derive(Debug)]
pub struct Intermediary {
    role: &'static str,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, for the probe.
    pub pid: Pid,
}

/// An order's answer on its way: `Ok` and `Err` are spelt out in the JSON.
type Answer<T> = Result<T, String>;

impl Program {
    /// This very program.
    pub fn this(mark: (&'static str, &str)) -> anyhow::Result<Self> {
        Ok(Self { lab: servers::this_program()?, mark: (mark.0, mark.1.to_owned()) })
    }
}

impl Intermediary {
    /// Starts `lab ROLE FLAGS…` on the cores of the thread that calls, and waits until it listens.
    ///
    /// # Errors
    /// One line, when it ends or stays silent instead; what it said is on stderr.
    pub async fn start(
        program: &Program,
        role: &'static str,
        flags: &[String],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(&program.lab);
        command.arg(role).args(flags).env_clear().env(program.mark.0, &program.mark.1);
        Self::spawn(command, &program.lab, role).await
    }

    async fn spawn(
        mut command: Command,
        binary: &Path,
        role: &'static str,
    ) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C at the terminal goes to the lab's group; the lab then ends them.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let orders = child.stdin.take().context("a child without the input it was given")?;
        let stdout = child.stdout.take().context("a child without the output it was given")?;
        let pid = Pid::from_raw(i32::try_from(child.id().context("it was not waited for")?)?);
        let mut answers = BufReader::new(stdout).lines();
        let line = timeout(PATIENCE, answers.next_line()).await;
        let line = line.with_context(|| format!("the {role} was not ready in {PATIENCE:?}"))??;
        let Some(line) = line else {
            bail!("the {role} ended before it was ready ({})", child.wait().await?);
        };
        let address = line.strip_prefix("ready ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|text| text.parse().ok());
        let address =
            address.with_context(|| format!("the {role} printed {line:?}, no ready line"))?;
        Ok(Self { role, child, orders, answers, address, pid })
    }

    /// Gives an order and waits for its answer.
    ///
    /// # Errors
    /// One line: what the intermediary says against it, or that it is gone.
    pub async fn order<T: DeserializeOwned>(&mut self, order: &str) -> anyhow::Result<T> {
        let role = self.role;
        let exchange = async {
            self.orders.write_all(format!("{order}\n").as_bytes()).await?;
            self.answers.next_line().await
        };
        let Ok(line) = timeout(PATIENCE, exchange).await else {
            // An answer that comes later would be taken for that to the next order.
            let _ = self.child.start_kill();
            bail!("the {role} did not answer in {PATIENCE:?}");
        };
        let line = line.ok().flatten().with_context(|| format!("the {role} is gone"))?;
        let answer: Answer<T> = serde_json::from_str(&line)
            .with_context(|| format!("the {role} answered {order:?} with {line:?}"))?;
        answer.map_err(|error| anyhow!("the {role} can't follow {order:?}: {error}"))
    }

    /// Waits for the process to end by itself, which it must not do, and says so in one line.
    pub async fn death(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow!("the {} died during the run ({status})", self.role),
            Err(error) => anyhow!("the {} can't be waited for: {error}", self.role),
        }
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// When it does not end, or ends with an exit code other than 0.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { role, mut child, orders, .. } = self;
        drop(orders);
        let status = timeout(PATIENCE, child.wait()).await;
        let status = status.with_context(|| format!("the {role} did not end"))??;
        anyhow::ensure!(status.success(), "the {role} did not end in order ({status})");
        Ok(())
    }
}

/// The other side, called by the intermediary itself: says that it listens and then follows orders
/// until stdin ends.
///
/// # Errors
/// When stdout is gone.
pub async fn obey<F>(role: &str, address: SocketAddr, mut follow: F) -> anyhow::Result<()>
where
    F: AsyncFnMut(&str) -> anyhow::Result<Value>,
{
    // Reading waits in a thread of its own; a thread that waits costs nothing.
    let (sender, mut orders) = mpsc::unbounded_channel();
    thread::Builder::new().name("orders".to_owned()).spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        // Fails when nobody follows orders any more.
        lines.map(|line| sender.send(line)).take_while(Result::is_ok).count()
    })?;
    writeln!(io::stdout(), "ready {address} role={role}").context("stdout")?;
    while let Some(order) = orders.recv().await {
        let answer: Answer<Value> = follow(&order).await.map_err(|error| format!("{error:#}"));
        writeln!(io::stdout(), "{}", serde_json::to_string(&answer)?).context("stdout")?;
    }
    Ok(())
}

/// An answer's JSON.
pub fn answer(value: impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str) -> anyhow::Result<Intermediary> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Intermediary::spawn(command, Path::new("/bin/sh"), "link").await
    }

    const READY: &str = "echo 'ready 127.0.0.1:7 role=link'";

    #[tokio::test]
    async fn orders_are_answered_and_refusals_are_errors() {
        let script = format!(
            r#"{READY}; read a; echo '{{"Ok":5}}'; read b; echo '{{"Err":"no such order"}}'; cat"#
        );
        let mut link = shell(&script).await.unwrap();
        assert_eq!(link.address.port(), 7);
        assert_eq!(link.order::<u32>("first").await.unwrap(), 5);
        let error = link.order::<u32>("second").await.unwrap_err().to_string();
        assert_eq!(error, "the link can't follow \"second\": no such order");
        link.stop().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_ends_is_named() {
        let error = shell("exit 3").await.unwrap_err().to_string();
        assert!(error.starts_with("the link ended before it was ready (exit status: 3"), "{error}");
        let mut link = shell(&format!("{READY}; exit 4")).await.unwrap();
        let error = link.death().await.to_string();
        assert!(error.contains("died during the run (exit status: 4)"), "{error}");
        assert_eq!(link.order::<u32>("x").await.unwrap_err().to_string(), "the link is gone");
    }

    #[tokio::test]
    async fn one_that_says_something_else_is_refused() {
        let error = shell("echo hello; cat").await.unwrap_err().to_string();
        assert!(error.contains("hello"), "{error}");
    }
}
