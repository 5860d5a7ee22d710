//! Where the time of a page goes, on each rung of x1-ladder, by the spans of its servers. Spans are not
//! for nothing: so the same pages are asked of servers of the same kind without spans, in turns, and what
//! spans add stands beside what they say.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use conduit::wire::trace::TRACEPARENT;
use contract::collector::{Collector, Span};
use http::{HeaderValue, Request, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::{
    PAGES, WARM_UP,
    anatomy::{Part, Parts, Visit, parts_of},
    syscalls::subjects,
};
use crate::{
    affinity,
    databases::{Databases, Engine},
    load::{Body, Connections},
    machine, progress,
    record::Arm,
    site::Site,
    stats::rounded,
};

/// Where the time of one kind of page goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spans {
    /// `sqlite` or `postgres`.
    pub database: String,
    /// What was asked for: a rung, or the home page of an arm.
    pub what: String,
    /// How long each part of a page takes by itself. The medians of parts add up to that of the page
    /// only nearly.
    pub parts: BTreeMap<Part, Quartiles>,
    /// How long a page takes, its visitor's way included.
    pub page: Quartiles,
    /// How long it takes where servers have no spans.
    pub untraced: Quartiles,
    /// How many spans a page has, on average.
    pub spans: f64,
    /// How many pages were asked for, one after the other, of servers with spans and of such without.
    pub pages: u64,
    /// The processor, as the kernel names it.
    pub cpu: String,
    /// The commit of the source, with `-dirty` where the work tree differed from it.
    pub commit: String,
}

/// A quarter of the pages takes no more than the first, half of them no more than the second, three
/// quarters no more than the third. Microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quartiles(pub [f64; 3]);

/// Arms whose home page is looked at besides.
const HOMES: [Arm; 2] = [Arm::Monolith, Arm::Split];

/// How many pages are asked of one of the two systems before the other has its turn.
const LAP: usize = 20;

/// How many of them are asked for before, not counted: caches hold what the other system left.
const LAP_WARM_UP: usize = 2;

/// More spans than a server makes of all pages together.
const ALL: usize = 16 * (PAGES + PAGES / LAP * LAP_WARM_UP + WARM_UP);

/// More milliseconds than a server lives.
const NEVER: usize = 24 * 60 * 60 * 1_000;

/// One visitor, who waits for each answer, and says of each page which trace it is.
pub struct Guest {
    connections: Connections,
    asked: u64,
}

/// The settings of servers that send their spans to this collector: all of them in the end, so that
/// nobody sends anything while pages are asked for.
pub fn sent_to(collector: &Collector) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", ALL.to_string()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", ALL.to_string()),
        ("OTEL_BSP_SCHEDULE_DELAY", NEVER.to_string()),
    ]
}

/// Takes every kind of page apart, on one database.
///
/// # Errors
/// One line: what could not be had, which answer was wrong, or whose traces did not arrive.
pub async fn spans(engine: &Engine) -> anyhow::Result<Vec<Spans>> {
    let mut site = Site::build(engine, affinity::layout(&affinity::cores()?)).await?;
    site.offer_calls()?;
    let (subjects, arms) = subjects(&HOMES);
    let traced = site.seeded.copies("traced", &arms, &mut site.guardian).await?;
    let untraced = site.seeded.copies("untraced", &arms, &mut site.guardian).await?;
    let collector = Collector::start().await.context("a collector of traces")?;
    let mut rows = Vec::new();
    for (what, arm, replay) in subjects {
        progress::say("Tracing", &format!("{what}: {PAGES} pages, and as many without spans"));
        let addresses = replay.addresses(&site.dataset)?;
        let visits =
            visited(&mut site, [&traced, &untraced], &collector, (arm, &addresses)).await?;
        let row = row((&site.engine, &what), &visits, &collector.take());
        rows.push(row.with_context(|| what.clone())?);
    }
    Ok(rows)
}

/// Asks for pages with spans and without, each of servers of its own; these have ended then, and so
/// have sent what they had to send.
async fn visited(
    site: &mut Site,
    [traced, untraced]: [&Databases; 2],
    collector: &Collector,
    (arm, addresses): (Arm, &[Uri]),
) -> anyhow::Result<[Vec<Visit>; 2]> {
    site.rig.env = sent_to(collector);
    let started = site.rig.start(traced, &[arm], "traced").await;
    site.rig.env = Vec::new();
    let mut traced = started?;
    let mut untraced = site.rig.start(untraced, &[arm], "untraced").await?;
    let fronts = [traced.system(arm)?.front, untraced.system(arm)?.front];
    let asked = untraced.unless_one_dies(laps(fronts, addresses));
    let visits = traced.unless_one_dies(asked).await?;
    traced.stop().await?;
    untraced.stop().await?;
    Ok(visits)
}

/// Asks two systems for the same pages, in turns.
async fn laps(fronts: [SocketAddr; 2], addresses: &[Uri]) -> anyhow::Result<[Vec<Visit>; 2]> {
    let mut guests = fronts.map(Guest::of);
    let mut visits = [Vec::new(), Vec::new()];
    for guest in &mut guests {
        guest.ask(&addresses[..WARM_UP]).await?;
    }
    for (lap, addresses) in addresses.chunks(LAP).enumerate() {
        // Who was first is second the next time.
        for who in [lap % 2, 1 - lap % 2] {
            guests[who].ask(&addresses[..LAP_WARM_UP.min(addresses.len())]).await?;
            visits[who].extend(guests[who].ask(addresses).await?);
        }
    }
    Ok(visits)
}

impl Guest {
    /// One who has not asked for anything yet.
    pub fn of(front: SocketAddr) -> Self {
        Self { connections: Connections::new(front), asked: 0 }
    }

    /// Asks for pages, one after the other.
    ///
    /// # Errors
    /// One line: which answer was wrong.
    pub async fn ask(&mut self, addresses: &[Uri]) -> anyhow::Result<Vec<Visit>> {
        let mut visits = Vec::new();
        for address in addresses {
            self.asked += 1;
            let (trace, id) = (format!("{:032x}", self.asked), format!("{:016x}", self.asked));
            let mut request = Request::new(Body::default());
            *request.uri_mut() = address.clone();
            let parent = HeaderValue::try_from(format!("00-{trace}-{id}-01"))?;
            request.headers_mut().insert(TRACEPARENT, parent);
            let begun = now()?;
            let answer = self.connections.send(request).await?;
            let time = begun..now()?;
            ensure!(answer.status == StatusCode::OK, "{address} was answered by {}", answer.status);
            visits.push(Visit { trace, id, time });
        }
        Ok(visits)
    }
}

/// By the clock that spans go by: nanoseconds since 1970.
fn now() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?)
}

/// What came of it.
fn row(
    (database, what): (&str, &str),
    [traced, untraced]: &[Vec<Visit>; 2],
    spans: &[Span],
) -> anyhow::Result<Spans> {
    let pages = parts_of(traced, spans)?;
    let kinds: BTreeSet<Part> = pages.iter().flat_map(Parts::keys).copied().collect();
    let of_page = |page: &Parts, kind| page.get(&kind).copied().unwrap_or_default();
    let part = |kind| (kind, Quartiles::of(pages.iter().map(|page| of_page(page, kind)).collect()));
    let traces: BTreeSet<&str> = traced.iter().map(|visit| visit.trace.as_str()).collect();
    let theirs = spans.iter().filter(|span| traces.contains(span.trace.as_str())).count();
    let length = |Range { start, end }: &Range<u64>| end.saturating_sub(*start);
    let lengths = |visits: &[Visit]| visits.iter().map(|visit| length(&visit.time)).collect();
    Ok(Spans {
        database: database.to_owned(),
        what: what.to_owned(),
        parts: kinds.into_iter().map(part).collect(),
        page: Quartiles::of(lengths(traced)),
        untraced: Quartiles::of(lengths(untraced)),
        spans: rounded(theirs as f64 / pages.len() as f64),
        pages: pages.len() as u64,
        cpu: machine::machine()?.cpu,
        commit: machine::commit(),
    })
}

impl Quartiles {
    /// Of times in nanoseconds.
    fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |quarters| times.get(last * quarters / 4).copied().unwrap_or_default();
        Self([1, 2, 3].map(|quarters| (at(quarters) as f64 / 100.0).round() / 10.0))
    }

    /// The middle one.
    pub fn median(self) -> f64 {
        self.0[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_the_pages() {
        let times = [500, 100, 300, 200, 400].map(|us| us * 1_000);
        assert_eq!(Quartiles::of(times.to_vec()), Quartiles([200.0, 300.0, 400.0]));
        assert_eq!(Quartiles::of(vec![1_250]).median(), 1.3);
        assert_eq!(Quartiles::of(Vec::new()).median(), 0.0);
    }

    #[test]
    fn a_part_that_some_pages_do_not_have_is_nothing_there() {
        let visit = |trace: &str| Visit { trace: trace.into(), id: "v".into(), time: 0..9_000 };
        let span = |trace: &str, id: &str, parent: &str, attribute: &str| Span {
            trace: trace.into(),
            id: id.into(),
            parent: parent.into(),
            begun_ns: 1_000,
            ended_ns: 3_000,
            attributes: [(attribute.to_owned(), String::new())].into(),
            ..Span::default()
        };
        let pages = ["a", "b", "c"].map(|trace| span(trace, "page", "v", "http.route"));
        let spans = [&pages[..], &[span("c", "sql", "page", "db.system.name")]].concat();
        let visits = [["a", "b", "c"].map(visit).to_vec(), vec![visit("a")]];
        let row = row(("sqlite", "TCP"), &visits, &spans).unwrap();
        assert_eq!(row.parts[&Part::Statements], Quartiles([0.0, 0.0, 0.0]));
        assert_eq!(row.parts[&Part::Entry], Quartiles([0.0, 2.0, 2.0]));
        assert_eq!((row.page.median(), row.untraced.median(), row.pages), (9.0, 9.0, 3));
        assert_eq!(row.spans, 1.33333);
    }
}
