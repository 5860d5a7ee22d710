//! A page that only the lab asks for: it calls the port as it is told to and says nothing but what
//! came of it. A real page has one pattern of calls; what a pattern costs can only be measured where
//! it can be chosen, and everything else (server, middleware, port, what is behind it) is the real
//! one.
//!
//! The calls are those of ordinary pages: lists of articles, and articles.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use conduit::{
    ArticlePage, Caller, Conduit, Error, ListArticles, Result,
    wire::{self, ArticleBody, trace},
};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// How long a page may take: more than any that is measured.
const BUDGET: Duration = Duration::from_secs(10);

/// A request of the lab.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// How many articles to list.
    articles: u32,
    /// By which calls.
    how: How,
    /// Whether each answer is written as JSON and read again, as if it had been sent.
    #[serde(default)]
    codec: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    /// A call for each article, one after the other.
    Sequential,
    /// A call for each article, all at once.
    Concurrent,
    /// One call for all of them.
    Batched,
}

/// Of a request for one article.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    codec: bool,
}

/// `/lab/calls?articles=12&how=sequential` and `/lab/article/SLUG`, both with `codec=true` or without.
pub(crate) fn routes<C: Conduit>(port: C) -> Router {
    Router::new()
        .route("/lab/calls", get(calls::<C>))
        .route("/lab/article/{slug}", get(article::<C>))
        .with_state(port)
}

type Answer = std::result::Result<String, (StatusCode, String)>;

async fn calls<C: Conduit>(
    State(port): State<C>,
    Query(order): Query<Order>,
    headers: HeaderMap,
) -> Answer {
    let caller = caller(&headers);
    let one = |limit, offset| list(&port, &caller, limit, offset, order.codec);
    let found = match order.how {
        How::Batched => one(order.articles, 0).await,
        How::Concurrent => try_join_all((0..order.articles).map(|offset| one(1, offset)))
            .await
            .map(|found| found.iter().sum()),
        How::Sequential => {
            let mut found = Ok(0);
            for offset in 0..order.articles {
                found = match (found, one(1, offset).await) {
                    (Ok(sum), Ok(more)) => Ok(sum + more),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                };
            }
            found
        }
    };
    let found = found.map_err(|error| refused(&error))?;
    if found == order.articles as usize {
        Ok(format!("{found} articles\n"))
    } else {
        Err((StatusCode::INTERNAL_SERVER_ERROR, format!("only {found} articles\n")))
    }
}

async fn list<C: Conduit>(
    port: &C,
    caller: &Caller,
    limit: u32,
    offset: u32,
    codec: bool,
) -> Result<usize> {
    let list = ListArticles { limit, offset, ..ListArticles::default() };
    let page: ArticlePage = port.articles(caller, &list).await?;
    let page = if codec { written_and_read(&page)? } else { page };
    Ok(page.articles.len())
}

async fn article<C: Conduit>(
    State(port): State<C>,
    Path(slug): Path<String>,
    Query(Options { codec }): Query<Options>,
    headers: HeaderMap,
) -> Answer {
    let article = port.article(&caller(&headers), &slug).await;
    let article = article.map(|article| ArticleBody { article });
    let article = article.and_then(|body| if codec { written_and_read(&body) } else { Ok(body) });
    let article = article.map_err(|error| refused(&error))?.article;
    Ok(format!("{} bytes\n", article.body.len()))
}

fn caller(headers: &HeaderMap) -> Caller {
    let id = wire::to_request_id(headers).expect("the middleware has numbered the request");
    Caller::new(None, id, BUDGET)
}

/// What the wire does to an answer, without a wire.
fn written_and_read<T: Serialize + DeserializeOwned>(answer: &T) -> Result<T> {
    let wrong = |error: serde_json::Error| Error::Internal(format!("codec: {error}"));
    let bytes = trace::encode().in_scope(|| serde_json::to_vec(answer)).map_err(wrong)?;
    trace::decode().in_scope(|| {
        let text = String::from_utf8(bytes).map_err(|error| Error::Internal(error.to_string()))?;
        serde_json::from_str(&text).map_err(wrong)
    })
}

fn refused(error: &Error) -> (StatusCode, String) {
    (wire::from_error(error).0, format!("{error}\n"))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use conduit::wire::REQUEST_ID;
    use contract::{
        dataset::{Dataset, Size},
        in_memory::InMemory,
    };
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str) -> (u16, String) {
        let dataset = Dataset::new(Size { users: 5, articles: 20, ..Size::default() }, 1);
        let request = Request::get(path).header(REQUEST_ID, "lab-1").body(Body::empty()).unwrap();
        let answer = routes(InMemory::new(&dataset)).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_pattern_finds_the_same_articles() {
        for how in ["sequential", "concurrent", "batched"] {
            for codec in ["", "&codec=true"] {
                let found = ask(&format!("/lab/calls?articles=12&how={how}{codec}")).await;
                assert_eq!(found, (200, "12 articles\n".to_owned()), "{how}{codec}");
            }
        }
        assert_eq!(ask("/lab/calls?articles=12&how=guessed").await.0, 400);
        // There are no more than twenty.
        assert_eq!(ask("/lab/calls?articles=21&how=batched").await.0, 500);
    }

    #[tokio::test]
    async fn an_article_is_as_long_with_and_without_the_codec() {
        let dataset = Dataset::new(Size { users: 5, articles: 20, ..Size::default() }, 1);
        let article = dataset.article(3);
        let plain = ask(&format!("/lab/article/{}", article.slug)).await;
        assert_eq!(plain, (200, format!("{} bytes\n", article.body.len())));
        assert_eq!(ask(&format!("/lab/article/{}?codec=true", article.slug)).await, plain);
        assert_eq!(ask("/lab/article/unknown").await.0, 404);
    }
}
