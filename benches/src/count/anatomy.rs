//! Where the time of a page went, by the spans of its trace. What a span takes by itself, its self time,
//! is its length without what others take that stand in it; where these overlap, no moment is taken off
//! twice. So as long as one thing is done at a time, the self times of a page add up to the page.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use anyhow::ensure;
use conduit::wire::trace::{DECODE, ENCODE};
use contract::collector::Span;
use serde::{Deserialize, Serialize};

/// What the time of a page can go into, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Between the visitor and the server that is asked, there and back.
    Visitor,
    /// What that server does by itself.
    Entry,
    /// From the beginning of a call until the backend has it in hand: written, sent, waited for.
    There,
    /// What the backend does by itself.
    Handler,
    /// SQL statements, the way to the database and back included.
    Statements,
    /// Something is written as JSON.
    Encode,
    /// From the backend's answer until the caller has all of it.
    Back,
    /// Something is read from JSON.
    Decode,
}

/// How long each part of a page took, nanoseconds.
pub type Parts = BTreeMap<Part, u64>;

/// A page as its visitor sees it: the span in which all others of its trace stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The trace, in hexadecimal.
    pub trace: String,
    /// The span's number, likewise.
    pub id: String,
    /// From when until when, by the clock of the machine, nanoseconds since 1970.
    pub time: Range<u64>,
}

/// What a span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Visit,
    Entry,
    Call,
    Handler,
    Statement,
    Encode,
    Decode,
}

/// The parts of each page, by the spans of all.
///
/// # Errors
/// When spans are missing: one line that says of how many pages.
pub fn parts_of(visits: &[Visit], spans: &[Span]) -> anyhow::Result<Vec<Parts>> {
    let mut traces: HashMap<&str, Vec<&Span>> = HashMap::new();
    for span in spans {
        traces.entry(&span.trace).or_default().push(span);
    }
    let parts = |visit: &Visit| parts(visit, traces.get(visit.trace.as_str())?);
    let whole: Vec<Parts> = visits.iter().filter_map(parts).collect();
    let (pages, missing) = (visits.len(), visits.len() - whole.len());
    ensure!(missing == 0, "the traces of {missing} of {pages} pages did not arrive whole");
    Ok(whole)
}

/// The parts of one page; `None` if spans of its trace are missing.
fn parts(visit: &Visit, spans: &[&Span]) -> Option<Parts> {
    let mut tree = Tree::default();
    for span in spans {
        tree.below.entry(&span.parent).or_default().push(span);
    }
    tree.add(&visit.id, Kind::Visit, &visit.time)?;
    // What is left stands in a span that has not arrived.
    tree.below.is_empty().then_some(tree.parts)
}

/// A trace that is being added up.
#[derive(Default)]
struct Tree<'a> {
    /// The spans that were not seen yet, by what they stand in.
    below: HashMap<&'a str, Vec<&'a Span>>,
    parts: Parts,
}

impl Tree<'_> {
    /// Adds what a span of this kind and this time takes by itself, and then what stands in it.
    fn add(&mut self, id: &str, kind: Kind, time: &Range<u64>) -> Option<()> {
        let mut inside = Vec::new();
        for span in self.below.remove(id).unwrap_or_default() {
            // Two processes read one clock, but not at one moment: what stands in a span can't reach
            // out of it.
            let begun = span.begun_ns.clamp(time.start, time.end);
            let ended = span.ended_ns.clamp(begun, time.end);
            inside.push((span, kind.of(span), begun..ended));
        }
        // What is asked has to have answered: else its time would seem to be lost on the way.
        let answered =
            inside.iter().any(|(_, kind, _)| matches!(kind, Kind::Entry | Kind::Handler));
        if matches!(kind, Kind::Visit | Kind::Call) && !answered {
            return None;
        }
        let own = (time.end - time.start) - covered(inside.iter().map(|(.., time)| time.clone()));
        let first = inside.iter().map(|(.., time)| time.start).min().unwrap_or(time.start);
        match kind {
            Kind::Visit => self.note(Part::Visitor, own),
            Kind::Entry => self.note(Part::Entry, own),
            Kind::Call => {
                self.note(Part::There, first - time.start);
                self.note(Part::Back, own - (first - time.start));
            }
            Kind::Handler => self.note(Part::Handler, own),
            Kind::Statement => self.note(Part::Statements, own),
            Kind::Encode => self.note(Part::Encode, own),
            Kind::Decode => self.note(Part::Decode, own),
        }
        inside.iter().try_for_each(|(span, kind, time)| self.add(&span.id, *kind, time))
    }

    fn note(&mut self, part: Part, ns: u64) {
        *self.parts.entry(part).or_default() += ns;
    }
}

impl Kind {
    /// What a span stands for that stands in one of this kind. One that says nothing of it is a piece of
    /// the same.
    fn of(self, span: &Span) -> Self {
        let has = |attribute| span.attributes.contains_key(attribute);
        match span.name.as_str() {
            ENCODE => Self::Encode,
            DECODE => Self::Decode,
            _ if has("db.system.name") => Self::Statement,
            _ if has("http.route") && self == Self::Visit => Self::Entry,
            _ if has("http.route") => Self::Handler,
            _ if has("http.request.method") => Self::Call,
            _ => self,
        }
    }
}

/// How much time these cover together.
fn covered(times: impl Iterator<Item = Range<u64>>) -> u64 {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable_by_key(|time| time.start);
    let (mut covered, mut until) = (0, 0);
    for time in times {
        covered += time.end.saturating_sub(time.start.max(until));
        until = until.max(time.end);
    }
    covered
}

#[cfg(test)]
#[path = "anatomy_tests.rs"]
mod tests;
