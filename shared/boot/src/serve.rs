//! Bind, say so, serve, drain; and do something beside it that ends with it.

use std::{io::Write, time::Duration};

use anyhow::{Context, bail};
use axum::{Router, ServiceExt};
use conduit::Conduit;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::de::DeserializeOwned;

use crate::{
    Routes, ServerArgs, calls, health,
    lab_file::LabFile,
    listen, meters,
    middleware::{Around, Knowledge},
    routes::Finder,
    shutdown::{Shutdown, Signals, Stop},
    traces::Telemetry,
};

/// A server whose flags are checked, whose logs flow and whose counters count; it does not listen
/// yet. It comes first in a `main`, so that everything after it can log.
pub struct Server {
    role: &'static str,
    args: ServerArgs,
    lab: Option<LabFile>,
    routes: Finder,
    metrics: PrometheusHandle,
    telemetry: Telemetry,
    shutdown: Shutdown,
}

/// Sooner than any time limit of a request, and long enough to see that there is none: also a server
/// without a grace time takes so long to find out that nobody is left.
const SOON: Duration = Duration::from_millis(500);

impl Server {
    /// Prepares a server; `role` is its name in the ready line, in logs and in traces, `routes` are those
    /// of its front doors.
    ///
    /// # Errors
    /// When a flag can't be followed: the log filter is malformed, the lab file can't be read.
    pub fn new(role: &'static str, args: ServerArgs, routes: Routes) -> anyhow::Result<Self> {
        let telemetry = Telemetry::start(role, &args)?;
        let lab = LabFile::read(&args)?;
        let shutdown = Shutdown::new();
        let metrics = meters::start()?;
        let routes = Finder::new(routes)?;
        Ok(Self { role, args, lab, routes, metrics, telemetry, shutdown })
    }

    /// The moment from which on this server begins nothing new.
    pub fn stop(&self) -> Stop {
        self.shutdown.watch()
    }

    /// What the lab's file says about jobs; nothing where there is no file.
    ///
    /// # Errors
    /// When it says something else than it may.
    pub fn lab_jobs<T: DeserializeOwned + Default>(&self) -> anyhow::Result<T> {
        self.lab.as_ref().map_or_else(|| Ok(T::default()), LabFile::jobs)
    }

    /// Serves `app` until SIGTERM or Ctrl-C. Then `/readyz` says no for as long as
    /// `--shutdown-delay-seconds` says, and requests in flight finish. What runs `beside` it has to
    /// end by itself when [`stop`](Self::stop) says so, in its own time.
    ///
    /// When it serves, it prints its one line on stdout, `ready http://ADDR:PORT role=ROLE`, which
    /// tests and the lab wait for. Everything else it has to say goes to stderr. `/readyz` says
    /// whether what stands behind `port` can be reached.
    ///
    /// # Errors
    /// When the address can't be listened on, and when requests did not finish within the grace
    /// time or a second signal cut them short.
    pub async fn serve<C: Conduit>(
        mut self,
        app: Router,
        port: C,
        beside: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let telemetry = std::mem::take(&mut self.telemetry);
        let ended = self.until_told(app, port, beside).await;
        telemetry.end().await;
        ended
    }

    async fn until_told<C: Conduit>(
        self,
        app: Router,
        port: C,
        beside: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let Self { role, args, lab, routes, metrics, shutdown, .. } = self;
        let app = match &lab {
            Some(lab) if lab.calls() => app.merge(calls::routes(port.clone())),
            _ => app,
        };
        tokio::spawn(tick(metrics.clone()));
        let health = health::routes(port, metrics, shutdown.watch());
        let known = Knowledge::new(lab, routes, args.max_in_flight, shutdown.watch());
        let app = Around::new(app, health, known).into_make_service();

        // Signals are caught before the ready line is printed: whoever reads it may send one.
        let mut signals = Signals::catch()?;
        let (listener, address) = listen::tcp(args.listen).await?;
        let socket = args.listen_unix.as_deref().map(listen::unix).transpose()?;
        writeln!(std::io::stdout(), "ready http://{address} role={role}").context("stdout")?;
        tracing::info!(%address, role, "serving");

        let over_tcp = axum::serve(listener, app.clone())
            .with_graceful_shutdown(shutdown.watch().draining())
            .into_future();
        let draining = shutdown.watch().draining();
        let over_unix = async {
            let Some(socket) = socket else { return Ok(()) };
            axum::serve(socket, app).with_graceful_shutdown(draining).await
        };
        let serving = async { tokio::try_join!(over_tcp, over_unix).map(drop) };
        tokio::pin!(serving, beside);
        tokio::select! {
            ended = &mut serving => return ended.context("serving"),
            () = &mut beside => bail!("jobs have ended by themselves"),
            () = signals.next() => {}
        };
        tracing::info!(role, "draining");
        let drained = async {
            let limit = async {
                shutdown.begin(tokio::time::sleep(args.shutdown_delay())).await;
                tokio::time::sleep(args.grace().max(SOON)).await;
            };
            let requests = async {
                tokio::select! {
                    ended = &mut serving => ended.context("draining"),
                    () = limit => {
                        bail!("--grace-seconds: requests still ran after {} s", args.grace_seconds)
                    }
                }
            };
            // What is beside keeps to the grace time by itself, and has something to do after it.
            let (requests, ()) = tokio::join!(requests, &mut beside);
            requests
        };
        tokio::select! {
            drained = drained => drained?,
            () = signals.next() => bail!("a second signal cut the draining short"),
        }
        tracing::info!(role, "drained");
        Ok(())
    }
}

/// Wakes up twice a second, almost for nothing. The runtime sleeps until its earliest timer is due, and
/// has to be woken by a system call for one that is due earlier still. On an idle server that would be
/// the time limit of every single request and call; with a timer that is always due soon it is none.
///
/// The only thing that it does meanwhile: durations wait in lists until they are counted, and where
/// nobody asks for `/metrics` somebody else has to see to that.
async fn tick(metrics: PrometheusHandle) {
    loop {
        for _ in 0..20 {
            tokio::time::sleep(SOON).await;
        }
        metrics.run_upkeep();
    }
}
