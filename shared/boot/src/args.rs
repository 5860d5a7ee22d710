//! The flags that every server has. Each is an environment variable as well; the text of a flag is
//! what `--help` prints.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{CacheArgs, TraceArgs};

/// How a server listens, stops and logs.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArgs {
    /// Address and port to listen on; port 0 takes any free one.
    #[arg(long, env = "LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// A Unix socket to listen on as well, for callers on this host; one that nobody listens on any
    /// more is replaced
    #[arg(long, env = "LISTEN_UNIX", value_name = "FILE")]
    pub listen_unix: Option<PathBuf>,

    /// Seconds that requests in flight get to finish after SIGTERM.
    #[arg(long, env = "GRACE_SECONDS", value_name = "SECONDS", default_value_t = 10)]
    pub grace_seconds: u32,

    /// Seconds after SIGTERM in which `/readyz` says no and everything else is answered as before, so
    /// that a balancer sends nobody any more when the server stops listening
    #[arg(long, env = "SHUTDOWN_DELAY_SECONDS", value_name = "SECONDS", default_value_t = 0)]
    pub shutdown_delay_seconds: u32,

    /// Most requests in hand at a time; more are answered with 503 at once
    #[arg(long, env = "MAX_IN_FLIGHT", value_name = "N", default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub max_in_flight: u32,

    /// What to log, to stderr: a level (error, warn, info, debug, trace), or levels per module.
    #[arg(long, env = "LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Refuse what is only convenient while developing: a made-up token secret, cookies that
    /// travel without TLS, the lab's switches.
    #[arg(long, env = "PRODUCTION")]
    pub production: bool,

    /// Seconds that a page may take; more than usual where jobs run inline
    #[arg(long, env = "PAGE_SECONDS", value_name = "SECONDS", default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=30))]
    pub page_seconds: u32,

    /// What runs the server: one thread for everything, or one for each core
    #[arg(long, env = "RUNTIME", value_name = "KIND", default_value = "multi-thread")]
    pub runtime: Runtime,

    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceArgs,

    /// What is kept in memory.
    #[command(flatten)]
    pub cache: CacheArgs,

    /// Switches that only the lab needs, as a JSON file; refused in production.
    #[arg(long, env = "LAB_FILE", value_name = "FILE")]
    pub lab: Option<PathBuf>,
}

impl ServerArgs {
    /// How long requests in flight, and jobs, get to finish.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }

    /// How long the server says that it is about to stop before it does.
    pub fn shutdown_delay(&self) -> Duration {
        Duration::from_secs(self.shutdown_delay_seconds.into())
    }

    /// How long a page may take.
    pub fn page_budget(&self) -> Duration {
        Duration::from_secs(self.page_seconds.into())
    }
}

/// What runs a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Runtime {
    /// One thread, on which everything takes its turn: requests, and the computations of jobs.
    EventLoop,
    /// As many threads as the process may use cores. Whoever computes for long does so beside them.
    #[default]
    MultiThread,
}
