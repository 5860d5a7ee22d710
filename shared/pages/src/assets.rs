//! The few files that pages refer to. They are part of the binary, and their addresses change with
//! their content, so that a browser asks for each of them only once.

use std::sync::LazyLock;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use conduit::Conduit;

use crate::{App, error, visit::Visit};

/// A file in the binary.
pub(crate) struct Asset {
    name: &'static str,
    content_type: HeaderValue,
    bytes: &'static [u8],
    /// Where it is served: `/static/<hash of the content>/<name>`.
    pub(crate) path: String,
}

/// What everything looks like.
pub(crate) static STYLESHEET: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("conduit.css", "text/css; charset=utf-8", include_bytes!("../static/conduit.css"))
});

/// The picture of accounts that have none.
pub(crate) static DEFAULT_AVATAR: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("default-avatar.svg", SVG, include_bytes!("../static/default-avatar.svg"))
});

/// The icon in the browser's tab.
pub(crate) static FAVICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("favicon.svg", SVG, include_bytes!("../static/favicon.svg")));

const SVG: &str = "image/svg+xml";

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let path = format!("/static/{:016x}/{name}", fnv1a(bytes));
        Self { name, content_type: HeaderValue::from_static(content_type), bytes, path }
    }
}

/// FNV-1a with 64 bits (draft-eastlake-fnv): short, and good enough to tell versions of a file
/// apart. It is no protection against anyone.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Serves a file.
///
/// While a new version is being rolled out, a page of one replica may ask another replica, which
/// has other content for that name, for its stylesheet. It gets what there is, and is told not to
/// keep it.
pub(crate) async fn serve<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    let name = visit.uri().path().rsplit('/').next();
    let assets: [&Asset; 3] = [&STYLESHEET, &DEFAULT_AVATAR, &FAVICON];
    let Some(asset) = assets.into_iter().find(|asset| name == Some(asset.name)) else {
        return error::not_found(State(app), visit).await;
    };
    let cache = if visit.uri().path() == asset.path {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = Response::new(Body::from(asset.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, asset.content_type.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the FNV reference.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
