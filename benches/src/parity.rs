//! The gate before every measurement: both architectures, as real processes over real sockets, give
//! the same answers to the same requests, and ask their databases equally often. What is compared
//! and what is forgiven is decided in [`contract::parity`]; here are the sockets and the counting.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use contract::{
    dataset::Dataset,
    parity::{self, Answer, Request, Target, Visitors, difference, normalised},
};
use http::{StatusCode, Uri};

use crate::{
    fleet::System,
    load::{Body, Connections},
    record::{Page, PageCost, Parity},
    servers::{BACKEND, FRONTEND, MONOLITH},
};

/// The counter of SQL statements, on every server with a database.
pub(crate) const STATEMENTS: &str = in_process::SQL_STATEMENTS;

/// The counter of calls to the backend, on the frontend.
pub(crate) const BACKEND_CALLS: &str = remote::BACKEND_CALLS;

/// After how many differing answers enough has been seen.
const ENOUGH: usize = 5;

/// How long a count may lag behind the answer: work that nobody waits for any more is counted when
/// it stops.
const SETTLING: Duration = Duration::from_millis(500);

/// How much is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The whole corpus, on data that are there for nothing else: much of it writes.
    Everything,
    /// The requests that only read, on data that somebody wants to keep.
    Reading,
}

/// Sends the corpus to both.
///
/// # Errors
/// When they differ: what was asked, and where the answers part, a few of them.
pub async fn gate(
    monolith: &System,
    split: &System,
    dataset: &Dataset,
    extent: Extent,
) -> anyhow::Result<Parity> {
    let mut requests = parity::corpus(dataset);
    if extent == Extent::Reading {
        // Others may change something: that is what "safe" means in HTTP (RFC 9110, 9.2.1).
        requests.retain(|request| request.method.is_safe());
    }
    let one = Architecture::one_process(monolith)?;
    let two = Architecture::two_processes(split)?;
    let one = Visitors::sign_in(one, dataset, &requests).await.context("monolith")?;
    let two = Visitors::sign_in(two, dataset, &requests).await.context("split")?;

    let mut found = Vec::new();
    let (mut statements, mut backend_calls) = (0, 0);
    for request in &requests {
        match compare(&one, &two, request).await? {
            Ok(cost) => {
                statements += cost.statements;
                backend_calls += cost.backend_calls;
            }
            Err(difference) => found.push(format!("{request}\n{difference}")),
        }
        if found.len() == ENOUGH {
            break;
        }
    }
    if !found.is_empty() {
        let differences = found.join("\n");
        bail!(
            "the architectures differ (- monolith, + split), so nothing is measured:\n{differences}"
        );
    }
    let mut per_page = BTreeMap::new();
    for (page, path) in [(Page::Home, "/".to_owned()), (Page::Article, an_article(dataset))] {
        let view = requests.iter().find(|r| r.target == Target::Page && r.path == path);
        let view = view.with_context(|| format!("{path} is not among the requests"))?;
        let cost = compare(&one, &two, view).await?;
        per_page.insert(page, cost.map_err(|difference| anyhow::anyhow!("{view}\n{difference}"))?);
    }
    Ok(Parity { requests: requests.len() as u64, statements, backend_calls, per_page })
}

/// An article that is in the corpus: the newest is.
fn an_article(dataset: &Dataset) -> String {
    format!("/article/{}", dataset.article(dataset.size().articles.saturating_sub(1)).slug)
}

/// What one request costs, if both architectures answer it alike; else how they differ.
async fn compare(
    one: &Visitors<Architecture>,
    two: &Visitors<Architecture>,
    request: &Request,
) -> anyhow::Result<Result<PageCost, String>> {
    let before = (one.arm().counts().await?, two.arm().counts().await?);
    let left = normalised(one.ask(request).await.context("monolith")?);
    let right = normalised(two.ask(request).await.context("split")?);
    if let Some(difference) = difference(&left, &right) {
        return Ok(Err(difference));
    }
    let deadline = Instant::now() + SETTLING;
    loop {
        let after = (one.arm().counts().await?, two.arm().counts().await?);
        let (left, right) = (after.0 - before.0, after.1 - before.1);
        if left.statements == right.statements {
            return Ok(Ok(right));
        }
        if Instant::now() > deadline {
            let (left, right) = (left.statements, right.statements);
            return Ok(Err(format!("SQL statements\n  - {left}\n  + {right}\n")));
        }
    }
}

/// One architecture's sockets.
struct Architecture {
    pages: Server,
    api: Server,
}

struct Server {
    address: SocketAddr,
    connections: Connections,
}

impl Server {
    fn at(address: SocketAddr) -> Self {
        Self { address, connections: Connections::new(address) }
    }
}

impl Architecture {
    fn one_process(system: &System) -> anyhow::Result<Self> {
        let address = system.process(MONOLITH)?.address;
        Ok(Self { pages: Server::at(address), api: Server::at(address) })
    }

    fn two_processes(system: &System) -> anyhow::Result<Self> {
        let pages = Server::at(system.process(FRONTEND)?.address);
        Ok(Self { pages, api: Server::at(system.process(BACKEND)?.address) })
    }

    fn server(&self, target: Target) -> &Server {
        match target {
            Target::Page => &self.pages,
            Target::Api => &self.api,
        }
    }

    /// Statements since the start, from the server with the database; calls to the backend from
    /// the one with the pages (none in the monolith).
    async fn counts(&self) -> anyhow::Result<PageCost> {
        let data = metrics(&self.api.connections).await?;
        let pages = metrics(&self.pages.connections).await?;
        Ok(PageCost {
            statements: counter(&data, STATEMENTS),
            backend_calls: counter(&pages, BACKEND_CALLS),
        })
    }
}

impl parity::Arm for Architecture {
    fn authority(&self, target: Target) -> String {
        self.server(target).address.to_string()
    }

    async fn send(&self, target: Target, request: http::Request<Bytes>) -> anyhow::Result<Answer> {
        let (mut head, body) = request.into_parts();
        // On the wire a request to a server names the path alone.
        let path = head.uri.path_and_query().context("a request without a path")?.as_str();
        head.uri = path.parse::<Uri>()?;
        let request = http::Request::from_parts(head, Body::new(body));
        let answer = self.server(target).connections.send(request).await?;
        Ok(Answer { status: answer.status, headers: answer.headers, body: answer.body })
    }
}

/// What a server counts, in Prometheus' text format.
pub(crate) async fn metrics(connections: &Connections) -> anyhow::Result<String> {
    let mut request = http::Request::new(Body::default());
    *request.uri_mut() = Uri::from_static("/metrics");
    let answer = connections.send(request).await?;
    if answer.status != StatusCode::OK {
        bail!("/metrics gave {}", answer.status);
    }
    Ok(String::from_utf8(answer.body.into())?)
}

/// The value of a counter in Prometheus' text format, summed over its labels; 0 when nothing was
/// counted yet.
pub(crate) fn counter(text: &str, name: &str) -> u64 {
    sum(text.lines(), name) as u64
}

/// The same of some lines, and as the number that it is.
pub(crate) fn sum<'a>(lines: impl Iterator<Item = &'a str>, name: &str) -> f64 {
    let of_counter = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.trim().parse().ok()
    };
    lines.filter_map(of_counter).sum()
}

impl std::ops::Sub for PageCost {
    type Output = Self;

    /// What was counted since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self {
            statements: self.statements - earlier.statements,
            backend_calls: self.backend_calls - earlier.backend_calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels_and_not_confused_with_its_neighbours() {
        let text = "# TYPE sql_total counter\nsql_total{kind=\"a b} 9\"} 3\nsql_total{kind=\"b\"} 4\n\
                    sql_total_more 100\nplain 7\n";
        assert_eq!(counter(text, "sql_total"), 7);
        assert_eq!(counter(text, "plain"), 7);
        assert_eq!(counter(text, "absent"), 0);
    }
}
