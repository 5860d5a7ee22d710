//! Logs, and traces. A trace is what one request causes, as a tree of spans: the request itself, the
//! calls to the backend, what is written and read as JSON, the SQL statements, and the jobs. Its spans
//! come together at a collector, to which every process sends its own by OTLP, the common protocol for
//! that.
//!
//! Spans are of the level `debug`. As long as nobody asks for so much, a span is one comparison in
//! memory and nothing else; so a server without a collector pays nothing for what it could send.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use axum::http::{Uri, uri::Scheme};
use opentelemetry::{
    KeyValue,
    trace::{Link, SpanKind, TraceId, TracerProvider},
};
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    propagation::TraceContextPropagator,
    trace::{
        BatchSpanProcessor, Sampler, SamplingResult, SdkTracerProvider, ShouldSample, SpanData,
        SpanExporter,
    },
};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterFn, LevelFilter, Targets, filter_fn},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::ServerArgs;

/// How long the collector may take for what it is sent.
const SEND: Duration = Duration::from_secs(2);

/// How long the end of a server waits for its last spans to be sent.
const END: Duration = Duration::from_secs(1);

/// Whose spans are sent. Libraries have some of their own, for those who work on them.
const OURS: [&str; 4] = ["boot", "conduit", "in_process", "remote"];

/// Where traces go.
#[derive(Clone, Debug, clap::Args)]
pub struct TraceArgs {
    /// Collector of traces: http://HOST:PORT, without the path of the protocol (OTLP over HTTP)
    /// [default: nothing is traced]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Share of requests that are traced, from 0 to 1, where the request does not say by its
    /// `traceparent` whether it is
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "SHARE", default_value_t = 1.0,
        value_parser = share)]
    pub trace_share: f64,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "has to be a number from 0 to 1".to_owned())
}

impl TraceArgs {
    /// Where spans are sent; `None` if nowhere. The messages don't repeat the address: somebody may
    /// have put a password into it.
    fn address(&self) -> anyhow::Result<Option<String>> {
        let text = self.otlp_endpoint.as_deref().unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(None);
        }
        let Ok(uri) = text.parse::<Uri>() else { bail!("expected http://HOST:PORT") };
        let host = uri.authority().context("expected http://HOST:PORT")?.as_str();
        ensure!(uri.scheme() == Some(&Scheme::HTTP), "only http:// is supported");
        ensure!(!host.contains('@'), "must not contain a user name or password");
        ensure!(uri.query().is_none(), "must end before a query");
        Ok(Some(format!("http://{host}{}/v1/traces", uri.path().trim_end_matches('/'))))
    }
}

/// What a server reports of what it does, besides its metrics.
#[derive(Default)]
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Starts to write logs, and to send traces if there is a collector.
    ///
    /// # Errors
    /// When a flag can't be followed.
    pub(crate) fn start(role: &'static str, args: &ServerArgs) -> anyhow::Result<Self> {
        // Levels per module. What could also look at spans would bring a library for patterns along.
        let filter: Targets = args.log.parse().context("--log")?;
        let Some(address) = args.traces.address().context("--otlp-endpoint")? else {
            tracing_subscriber::registry()
                .with(filter)
                .with(lines())
                .try_init()
                .context("--log")?;
            return Ok(Self(None));
        };
        let provider = provider(role, address, args.traces.trace_share)?;
        let spans = tracing_opentelemetry::layer::<Registry>()
            .with_tracer(provider.tracer("conduit"))
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours());
        let registry = tracing_subscriber::registry().with(spans).with(lines().with_filter(filter));
        registry.try_init().context("--log")?;
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self(Some(provider)))
    }

    /// Sends what is not sent yet. A collector that is not there makes nobody wait for long.
    pub(crate) async fn end(self) {
        let Some(provider) = self.0 else { return };
        // Beside the runtime, because it blocks its thread.
        let end = move || provider.shutdown_with_timeout(END);
        if let Ok(Err(OTelSdkError::Timeout(_))) = tokio::task::spawn_blocking(end).await {
            tracing::warn!("the last spans of this server were not sent");
        }
    }
}

/// Log lines.
fn lines<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
}

/// Only spans, and none of their events: a log line may say more than a collector has to know.
fn ours() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let is_ours = |target: &str| OURS.contains(&target.split("::").next().unwrap_or_default());
    filter_fn(move |it| it.is_span() && is_ours(it.target()))
        .with_max_level_hint(LevelFilter::DEBUG)
}

fn provider(role: &'static str, address: String, share: f64) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(address)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(SEND)
        .build()
        .context("--otlp-endpoint")?;
    let exporter = Reporting { exporter, fails: AtomicBool::new(false) };
    let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let resource = Resource::builder().with_service_name(role).with_attribute(KeyValue::new(
        "service.instance.id",
        format!("{host}-{}", std::process::id()),
    ));
    Ok(SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
        .with_sampler(Sampler::ParentBased(Box::new(Roots(Sampler::TraceIdRatioBased(share)))))
        .with_resource(resource.build())
        .build())
}

/// Where a trace may begin: with a request or a job, and not with a statement by which a worker looks
/// for something to do.
#[derive(Clone, Debug)]
struct Roots(Sampler);

impl ShouldSample for Roots {
    fn should_sample(
        &self,
        parent: Option<&opentelemetry::Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = if *kind == SpanKind::Client { &Sampler::AlwaysOff } else { &self.0 };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

/// An exporter that says once that nobody takes what it sends, and once that somebody does again.
#[derive(Debug)]
struct Reporting<E> {
    exporter: E,
    fails: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let failed = self.fails.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !failed => {
                tracing::warn!(%error, "--otlp-endpoint: spans are lost until it takes them");
            }
            Ok(()) if failed => tracing::info!("--otlp-endpoint: spans are sent again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> anyhow::Result<Option<String>> {
        TraceArgs { otlp_endpoint: Some(text.to_owned()), trace_share: 1.0 }.address()
    }

    #[test]
    fn the_path_of_the_protocol_is_added() {
        let traces = |text| address(text).unwrap().unwrap();
        assert_eq!(traces("http://tracer:4318"), "http://tracer:4318/v1/traces");
        assert_eq!(traces(" http://tracer:4318/ "), "http://tracer:4318/v1/traces");
        assert_eq!(traces("http://gate/otlp"), "http://gate/otlp/v1/traces");
        assert_eq!(address(" ").unwrap(), None);
    }

    #[test]
    fn a_bad_address_is_refused_without_repeating_it() {
        for text in
            ["tracer:4318", "https://s3cret", "http://u:s3cret@tracer", "http://t?s3cret", "/"]
        {
            let error = address(text).unwrap_err().to_string();
            assert!(!error.contains("s3cret") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_share_is_a_number_from_0_to_1() {
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["", "-0.1", "1.1", "NaN", "half"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
