//! Where a trace goes on. A trace is everything that one request causes, span by span, in all the
//! processes that work for it; each of them has to know which span its own begin under. The W3C's
//! header `traceparent` says that, and so does the row of a job. What the wire does by itself, to write
//! and to read, is a span too.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::global;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const NAME: &str = "traceparent";

/// The header that carries a trace over a hop. Its sister `tracestate`, which is for those who sell
/// collectors, is not passed on.
pub const TRACEPARENT: HeaderName = HeaderName::from_static(NAME);

/// A span in a trace, in the form of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// The span as others have to know it. `None` where nothing is traced, which costs next to nothing
    /// to find out.
    pub fn of(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        let mut fields = HashMap::new();
        global::get_text_map_propagator(|w3c| w3c.inject_context(&span.context(), &mut fields));
        fields.remove(NAME).map(Self)
    }

    /// What a request carries, or the row of a job. What is none becomes one under which nothing can
    /// begin.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Has a span begin under this one. To be called before anything else is done with it.
    pub fn leads_to(&self, span: &Span) {
        if span.is_disabled() {
            return;
        }
        let fields = HashMap::from([(NAME.to_owned(), self.0.clone())]);
        let parent = global::get_text_map_propagator(|w3c| w3c.extract(&fields));
        // Where nothing is traced it fails, and nobody misses it.
        drop(span.set_parent(parent));
    }
}

/// Adds what the other side of a hop has to know for its spans to begin under this one.
pub fn from_span(span: &Span, headers: &mut HeaderMap) {
    let value = TraceParent::of(span).and_then(|it| HeaderValue::try_from(it.0).ok());
    if let Some(value) = value {
        headers.insert(TRACEPARENT, value);
    }
}

/// The inverse of [`from_span`]: has a span begin where the request says. Without a word about it the
/// span begins a trace.
pub fn to_span(headers: &HeaderMap, span: &Span) {
    if span.is_disabled() {
        return;
    }
    if let Some(value) = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
        TraceParent::new(value).leads_to(span);
    }
}

/// What is written as JSON is a span of this name.
pub const ENCODE: &str = "encode";

/// What is read from JSON is one of this name.
pub const DECODE: &str = "decode";

/// The span in which something is written as JSON: `encode().in_scope(|| …)`.
pub fn encode() -> Span {
    tracing::debug_span!(ENCODE)
}

/// The span in which something is read from JSON.
pub fn decode() -> Span {
    tracing::debug_span!(DECODE)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{TraceContextExt, TraceId, TracerProvider};
    use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
    use tracing::info_span;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn trace(span: &Span) -> TraceId {
        span.context().span().span_context().trace_id()
    }

    #[test]
    fn a_span_goes_on_with_the_trace_that_came_over_a_hop() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        let _traced = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

        let (here, mut headers) = (info_span!("here"), HeaderMap::new());
        from_span(&here, &mut headers);
        let there = info_span!(parent: None, "there");
        to_span(&headers, &there);
        assert_eq!(trace(&there), trace(&here));

        let begins = [None, Some("nonsense"), Some("00-00000000000000000000000000000000-0-01")];
        for text in begins {
            headers.remove(TRACEPARENT);
            if let Some(text) = text {
                headers.insert(TRACEPARENT, HeaderValue::from_static(text));
            }
            let first = info_span!(parent: None, "first");
            to_span(&headers, &first);
            assert!(trace(&first) != TraceId::INVALID && trace(&first) != trace(&here), "{text:?}");
        }
    }

    #[test]
    fn where_nothing_is_traced_nothing_is_handed_on() {
        let mut headers = HeaderMap::new();
        from_span(&Span::none(), &mut headers);
        assert!(headers.is_empty());
        // Logs alone have spans, too.
        let _logged = tracing::subscriber::set_default(tracing_subscriber::registry());
        from_span(&info_span!("logged"), &mut headers);
        assert!(headers.is_empty());
    }
}
