//! What HTTP/1.1 looks like on its way (RFC 9112): how a request is put, and what the head of an answer
//! says. Its lines are found by `httparse`, as hyper has it.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, HOST, RETRY_AFTER, TRANSFER_ENCODING},
};
use httparse::{ParserConfig, Status};

use crate::connections::Fault;

/// The longest head of an answer, in bytes.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// And in lines.
pub(crate) const MAX_LINES: usize = 100;

/// What is to be known of the head of an answer.
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) has_retry_after: bool,
    pub(crate) body: Body,
    /// Whether the other end hangs up after this answer.
    pub(crate) is_the_last: bool,
}

/// How the body of an answer ends.
pub(crate) enum Body {
    /// After so many bytes.
    Length(usize),
    /// With a chunk that says so.
    Chunked,
    /// With the connection.
    UntilClosed,
}

/// A request as it is sent.
pub(crate) fn put(request: &Request<Bytes>, host: &HeaderValue) -> Vec<u8> {
    fn line(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    let (method, body) = (request.method(), request.body());
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut bytes = Vec::with_capacity(512 + target.len() + body.len());
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    line(&mut bytes, HOST.as_str(), host.as_bytes());
    for (name, value) in request.headers() {
        line(&mut bytes, name.as_str(), value.as_bytes());
    }
    if !body.is_empty() || !method.is_safe() {
        line(&mut bytes, CONTENT_LENGTH.as_str(), body.len().to_string().as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

impl Head {
    /// Takes apart what has come: the head and its length, if all of it is there.
    pub(crate) fn of(came: &[u8]) -> Result<Option<(Self, usize)>, Fault> {
        let mut lines = [const { MaybeUninit::uninit() }; MAX_LINES];
        let mut answer = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default()
            .parse_response_with_uninit_headers(&mut answer, came, &mut lines)
            .map_err(Fault::broken)?;
        let Status::Complete(length) = parsed else { return Ok(None) };
        let status = StatusCode::from_u16(answer.code.unwrap_or(0)).map_err(Fault::broken)?;
        let mut head = Self {
            status,
            has_retry_after: false,
            body: Body::UntilClosed,
            is_the_last: answer.version != Some(1) || status == StatusCode::SWITCHING_PROTOCOLS,
        };
        for line in answer.headers {
            head.read(line)?;
        }
        // Whatever their lines say (RFC 9112, section 6.3).
        if status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            head.body = Body::Length(0);
        }
        head.is_the_last |= matches!(head.body, Body::UntilClosed);
        Ok(Some((head, length)))
    }

    fn read(&mut self, line: &httparse::Header<'_>) -> Result<(), Fault> {
        let is = |name: HeaderName| line.name.eq_ignore_ascii_case(name.as_str());
        if is(CONTENT_LENGTH) {
            let length = decimal(line.value).ok_or_else(|| Fault::broken("no length"))?;
            match self.body {
                Body::Length(other) if other != length => return Err(Fault::broken("two lengths")),
                Body::Length(_) | Body::UntilClosed => self.body = Body::Length(length),
                // Somebody on the way may have gone by the one and somebody else by the other.
                Body::Chunked => self.is_the_last = true,
            }
        } else if is(TRANSFER_ENCODING) {
            if !line.value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::broken("a transfer coding that was not asked for"));
            }
            self.is_the_last |= matches!(self.body, Body::Length(_));
            self.body = Body::Chunked;
        } else if is(CONNECTION) {
            let mut words = line.value.split(|letter| *letter == b',');
            self.is_the_last |= words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
        } else if is(RETRY_AFTER) {
            self.has_retry_after = true;
        }
        Ok(())
    }
}

/// A number that is written in digits and in nothing else.
fn decimal(digits: &[u8]) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_number)?;
    // One that is too large for a number is too large for us, too.
    Some(digits.parse().unwrap_or(usize::MAX))
}
