//! What `/metrics` shows of every server: requests by route, and what the process uses.

use std::{fs, sync::OnceLock, time::Duration};

use anyhow::Context;
use axum::http::StatusCode;
use metrics::{
    Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};

/// Requests, by class of status.
const REQUESTS: &str = "conduit_http_requests_total";

/// How long they took, by route and class of status.
const DURATION: &str = "conduit_http_request_seconds";

/// Requests that were turned away because too many others were in hand.
const SHED: &str = "conduit_http_requests_shed_total";

/// Processor time of the process so far; the name is Prometheus' own for all programs.
const CPU: &str = "process_cpu_seconds_total";

/// Memory that it has in use.
const MEMORY: &str = "process_resident_memory_bytes";

/// Upper limits of what is counted together, in seconds: from a page that is already there to the
/// longest that any request may take.
const BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The same for what may also wait, such as a job.
const LONG_BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0];

/// Starts to count. Everything that is counted from here on shows under `/metrics`.
///
/// Durations are counted by buckets, which can be summed over replicas; percentiles could not.
pub(crate) fn start() -> anyhow::Result<PrometheusHandle> {
    let metrics = PrometheusBuilder::new()
        .set_buckets(&LONG_BUCKETS)
        .and_then(|it| it.set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &BUCKETS))
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics")?;
    describe_counter!(REQUESTS, "requests that were answered");
    describe_histogram!(DURATION, "seconds from a request to the head of its answer");
    describe_counter!(SHED, "requests that were turned away because there were too many");
    describe_gauge!(CPU, "processor time of this process, in seconds");
    describe_gauge!(MEMORY, "memory that this process has in use, in bytes");
    counter!(SHED).increment(0);
    Ok(metrics)
}

/// Counts a request that was turned away.
pub(crate) fn shed() {
    counter!(SHED).increment(1);
}

/// What requests are told apart by besides their route.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The meters of one route, for each class of status. Each is looked up once, by its name and its labels,
/// when it has something to count for the first time: to do so for every request takes far more than to
/// count it. (Not sooner, or `/metrics` would list what never happens.)
pub(crate) struct Meters {
    route: &'static str,
    by_class: [OnceLock<(Counter, Histogram)>; CLASSES.len()],
}

impl Meters {
    /// As long as the process lives, as labels do.
    pub(crate) fn of(route: &'static str) -> &'static Self {
        Box::leak(Box::new(Self { route, by_class: Default::default() }))
    }

    /// The route, as it was given.
    pub(crate) fn route(&self) -> &'static str {
        self.route
    }

    /// Counts a request that is answered.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let class = match status.as_u16() {
            500.. => 3,
            400.. => 2,
            300.. => 1,
            _ => 0,
        };
        let (requests, durations) = self.by_class[class].get_or_init(|| {
            let (route, status) = (self.route, CLASSES[class]);
            let requests = counter!(REQUESTS, "status" => status);
            (requests, histogram!(DURATION, "route" => route, "status" => status))
        });
        requests.increment(1);
        durations.record(took.as_secs_f64());
    }
}

/// Writes down what the process uses, for somebody who is about to look.
pub(crate) fn look_at_the_process() {
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        #[expect(clippy::cast_precision_loss, reason = "exact for the first 285 years")]
        gauge!(CPU).set(micros as f64 / 1e6);
    }
    if let Some(bytes) = resident_memory() {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
        gauge!(MEMORY).set(bytes as f64);
    }
}

/// In bytes; `None` where there is no `/proc`.
fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_and_each_class_of_status_is_counted_by_itself() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let (home, article) = (Meters::of("/"), Meters::of("/article/{slug}"));
            for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::OK] {
                home.answered(status, Duration::from_millis(1));
            }
            article.answered(StatusCode::SERVICE_UNAVAILABLE, Duration::from_millis(1));
        });
        let shown = shown.render();
        for line in [
            r#"conduit_http_requests_total{status="2xx"} 2"#,
            r#"conduit_http_requests_total{status="4xx"} 1"#,
            r#"conduit_http_requests_total{status="5xx"} 1"#,
            r#"conduit_http_request_seconds_count{route="/",status="2xx"} 2"#,
            r#"conduit_http_request_seconds_count{route="/",status="4xx"} 1"#,
            r#"conduit_http_request_seconds_count{route="/article/{slug}",status="5xx"} 1"#,
        ] {
            assert!(shown.lines().any(|it| it == line), "{line}\n{shown}");
        }
        assert!(!shown.contains("3xx"), "what never happened is not listed: {shown}");
    }

    #[test]
    fn a_process_uses_memory() {
        assert!(resident_memory() > Some(100_000));
    }
}
