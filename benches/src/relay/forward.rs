//! One request's way to a replica, or to several.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Request, Response, StatusCode,
    header::{
        CONNECTION, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};
use http_body_util::{Either, Empty, Full};
use hyper::body::{Body, Incoming};

use super::{
    rotation::Rotation,
    upstream::{Failed, Sent, Through},
};

/// What a visitor gets: a replica's answer, or the relay's own.
pub(super) type Answer = Response<Either<Through, Full<Bytes>>>;

/// Headers that are about one connection and not about the request (RFC 9110, section 7.6.1).
const OF_THE_CONNECTION: [HeaderName; 7] =
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Sends a request to the replica whose turn it is. If that fails before an answer, another one gets
/// the request, as long as it can't be done twice: because it never left, or because it only reads.
pub(super) async fn forward(rotation: Arc<Rotation>, request: Request<Incoming>) -> Answer {
    let (mut head, body) = request.into_parts();
    strip(&mut head.headers);
    let repeatable = matches!(head.method, Method::GET | Method::HEAD) && body.is_end_stream();
    let spare = repeatable.then(|| head.clone());
    let body = if repeatable { Sent::Right(Empty::new()) } else { Sent::Left(body) };
    let mut request = Request::from_parts(head, body);
    let (mut tried, mut retried) = (Vec::new(), false);
    while let Some(replica) = rotation.next(&tried) {
        if retried {
            rotation.retried.fetch_add(1, Ordering::Relaxed);
        }
        retried = true;
        let Failed { unsent, stale } = match replica.send(request).await {
            Ok(mut answer) => {
                strip(answer.headers_mut());
                return answer.map(Either::Left);
            }
            Err(failed) => failed,
        };
        // After a connection that had lain idle the replica gets a second chance, on a new one.
        if !stale {
            rotation.take_out(&replica);
            tried.push(replica.address);
        }
        match unsent.or_else(|| spare.as_ref().map(again)) {
            Some(same) => request = same,
            None => return refuse(&rotation, StatusCode::BAD_GATEWAY, "the answer was lost"),
        }
    }
    refuse(&rotation, StatusCode::SERVICE_UNAVAILABLE, "no replica takes requests")
}

fn again(head: &Parts) -> Request<Sent> {
    Request::from_parts(head.clone(), Sent::Right(Empty::new()))
}

/// Removes what is about the connection, among it what its own header names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_THE_CONNECTION) {
        headers.remove(name);
    }
}

fn refuse(rotation: &Rotation, status: StatusCode, why: &str) -> Answer {
    rotation.refused.fetch_add(1, Ordering::Relaxed);
    let mut answer = Response::new(Either::Right(Full::from(format!("relay: {why}\n"))));
    *answer.status_mut() = status;
    let text = HeaderValue::from_static("text/plain");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, text);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_on_it_and_all_others_pass() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-own"),
            ("x-own", "1"),
            ("te", "trailers"),
            ("host", "example.org"),
            ("origin", "http://example.org"),
            ("cookie", "a=b"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "host", "origin"]);
    }
}
