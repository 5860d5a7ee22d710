//! A collector that keeps what it is sent: OTLP over HTTP, as protobuf.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::status::StatusCode as SpanStatus,
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

/// A span as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The role of the server that sent it.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// Its trace, in hexadecimal, as in the header.
    pub trace: String,
    /// Its own number, likewise.
    pub id: String,
    /// The span that it stands in; empty for the first of a trace.
    pub parent: String,
    /// When it began, by the clock of the machine, nanoseconds since 1970.
    pub begun_ns: u64,
    /// When it ended, likewise.
    pub ended_ns: u64,
    /// What is known of it besides.
    pub attributes: BTreeMap<String, String>,
    /// Whether what it stands for went wrong.
    pub failed: bool,
    /// How many log lines came along.
    pub events: usize,
}

/// Keeps everything that it is sent, until it goes.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Spans,
    serving: JoinHandle<io::Result<()>>,
}

type Spans = Arc<Mutex<Vec<Span>>>;

impl Collector {
    /// Listens on a free port of this machine, by the runtime that this is called on.
    ///
    /// # Errors
    /// The system's, when there is no port.
    pub async fn start() -> io::Result<Self> {
        let spans = Spans::default();
        let app = Router::new()
            .route("/v1/traces", post(take))
            // Somebody may send everything at once.
            .layer(DefaultBodyLimit::disable())
            .with_state(spans.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, spans, serving })
    }

    /// What servers have to be told for their spans to come here.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come since this was last asked.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.unwrap_or_default();
        let service = texts(resource.attributes).remove("service.name").unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                service: service.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                begun_ns: span.start_time_unix_nano,
                ended_ns: span.end_time_unix_nano,
                attributes: texts(span.attributes),
                failed: span.status.is_some_and(|status| status.code() == SpanStatus::Error),
                events: span.events.len(),
            });
        }
    }
    StatusCode::OK
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.into_iter();
    pairs.filter_map(|pair| Some((pair.key, text(pair.value?.value?)))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
