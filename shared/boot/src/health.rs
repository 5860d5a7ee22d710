//! The operators' endpoints, and the client that a container runs to ask for them.
//!
//! - `/healthz`: the process is alive. It asks nobody, so a dead database gets no server killed.
//! - `/readyz`: what this server needs (its database, its backend) can be reached right now, and it
//!   is not about to stop.
//! - `/metrics`: counters in Prometheus' text format, SQL statements and backend calls among them.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail};
use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use conduit::Conduit;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{Stop, meters};

const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";
const METRICS: &str = "/metrics";

/// What is for operators.
pub(crate) const PATHS: [&str; 3] = [ALIVE, READY, METRICS];

/// The routes of [`PATHS`]. The server is ready when what stands behind `port` is, until it `stop`s.
pub(crate) fn routes<C: Conduit>(port: C, metrics: PrometheusHandle, stop: Stop) -> Router {
    let readyz = move || async move {
        if stop.has_begun() {
            return (StatusCode::SERVICE_UNAVAILABLE, "about to stop\n");
        }
        match port.ready().await {
            Ok(()) => (StatusCode::OK, "ready\n"),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        }
    };
    let metrics = move || async move {
        meters::look_at_the_process();
        ([("content-type", "text/plain; version=0.0.4")], metrics.render()).into_response()
    };
    Router::new()
        .route(ALIVE, get(|| async { "alive\n" }))
        .route(READY, get(readyz))
        .route(METRICS, get(metrics))
}

/// Flags of `healthcheck`.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthcheckArgs {
    /// Where the server listens. An unspecified address (0.0.0.0) is asked on loopback.
    #[arg(long, env = "LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
}

/// Asks a server on this host whether it is ready; an error means no. For the health check of a
/// container that holds nothing but the server's binary.
///
/// # Errors
/// When the server can't be reached, or answers anything but 200, within two seconds.
pub fn healthcheck(args: &HealthcheckArgs) -> anyhow::Result<()> {
    let limit = Duration::from_secs(2);
    let address = reachable(args.listen);
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut status_line = vec![0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut status_line)?;
        Ok(status_line)
    };
    let status_line = ask().with_context(|| format!("no answer from {address}"))?;
    if !status_line.ends_with(b" 200") {
        bail!("{address} is not ready");
    }
    Ok(())
}

fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
