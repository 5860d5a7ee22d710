//! The finding in words: a few sentences that carry the numbers, the same in every rendering.

use super::{deploys, durability, families, grid, places, scaling, ticks};
use crate::experiment::{Card, Preset};
use crate::judge::summary::{Effect, Metric, Summary};
use crate::record::{Comparison, Page, Resumption, Run};
use crate::stats::Estimate;
use crate::words;

/// A stretch of text, some of it set apart.
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) strong: bool,
}

/// A sentence of such stretches.
pub(super) struct Sentence(pub(super) Vec<Piece>);

impl Sentence {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// A claim, and the figures on it, which are set apart.
    pub(super) fn of(claim: &str, figures: &str) -> Self {
        Self::new().plain(format!("{claim}: ")).strong(figures).plain(".")
    }

    pub(super) fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece { text: text.into(), strong: false });
        self
    }

    pub(super) fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece { text: text.into(), strong: true });
        self
    }

    /// `(change [interval])`, the change set apart.
    fn change(self, effect: &Effect) -> Self {
        self.plain("(").estimate(effect.ratio).plain(")")
    }

    /// A ratio as a change, set apart, and its interval.
    pub(super) fn estimate(self, ratio: Estimate) -> Self {
        let text = words::change_with_interval(ratio);
        let (change, interval) = text.split_at(text.find('[').unwrap_or(text.len()));
        self.strong(change).plain(interval)
    }

    /// Without marking.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// The finding of any run, whatever its design.
pub(super) fn sentences(run: &Run, card: &Card, summary: &Summary) -> Vec<Sentence> {
    match run.grid {
        Some(_) => grid::sentences(summary),
        None if summary.scaled.is_some() => scaling::sentences(card, summary),
        None if summary.interfered.is_some() => places::sentences(run, summary),
        None if summary.endured.is_some() => durability::sentences(summary),
        None if summary.deployed.is_some() => deploys::sentences(summary),
        None if summary.ticked.is_some() => ticks::sentences(summary),
        None if !summary.families.is_empty() => families::sentences(summary),
        None => finding(run, card, summary),
    }
}

/// Cost, latency, goodput.
pub(super) fn finding(run: &Run, card: &Card, summary: &Summary) -> Vec<Sentence> {
    [cost(summary), latency(summary), goodput(run, card, summary)].into_iter().flatten().collect()
}

fn boundary(summary: &Summary, metric: Metric) -> Vec<(Page, &Effect)> {
    summary
        .pages()
        .filter_map(|page| Some((page, summary.effect(Comparison::Boundary, page, metric)?)))
        .collect()
}

fn cost(summary: &Summary) -> Option<Sentence> {
    let mut sentence = Sentence::new();
    for (i, (page, effect)) in boundary(summary, Metric::CpuServers).into_iter().enumerate() {
        let (name, of_cpu) = (with_article(page), if i == 0 { " of CPU" } else { "" });
        let lead =
            if i == 0 { format!("In the split {name} costs ") } else { format!(", {name} ") };
        let [first, second] = effect.levels.map(|l| words::milliseconds(l.value));
        sentence =
            sentence.plain(format!("{lead}{second}{of_cpu} instead of {first} ")).change(effect);
    }
    ended(sentence)
}

fn latency(summary: &Summary) -> Option<Sentence> {
    let mut sentence = Sentence::new();
    for (i, page) in summary.pages().enumerate() {
        let effect = |metric| Some((metric, summary.effect(Comparison::Boundary, page, metric)?));
        let (metric, effect) = effect(Metric::P99).or_else(|| effect(Metric::P50))?;
        let share = if metric == Metric::P99 { "99 of 100" } else { "half of them" };
        let rate = summary.contrast(Comparison::Boundary, page)?.rate.round() as u64;
        let pages = format!("{} {}s a second", words::count(rate), words::page(page));
        let lead = if i == 0 {
            format!("At {pages}, {share} are answered within ")
        } else {
            format!("; at {pages}, {share} within ")
        };
        let [first, second] = effect.levels.map(|l| words::milliseconds(l.value));
        sentence = sentence.plain(format!("{lead}{second} instead of {first} ")).change(effect);
    }
    ended(sentence)
}

fn goodput(run: &Run, card: &Card, summary: &Summary) -> Option<Sentence> {
    let cores = match run.layout.server_cores.len() {
        1 => "One core serves".to_owned(),
        n => format!("{n} cores serve"),
    };
    let mut sentence = Sentence::new();
    for (i, (page, effect)) in boundary(summary, Metric::Goodput).into_iter().enumerate() {
        let lead = if i == 0 { format!("{cores} ") } else { " and ".to_owned() };
        let [first, second] = effect.levels.map(|l| words::count(l.value.round() as u64));
        sentence = sentence
            .plain(format!("{lead}{second} {}s a second instead of {first} ", words::page(page)))
            .change(effect);
    }
    let within = format!(" while 99 of 100 are answered within {} ms", card.slo_ms);
    ended(if sentence.0.is_empty() { sentence } else { sentence.plain(within) })
}

/// What the controls found, in one sentence.
pub(super) fn controls(summary: &Summary) -> Option<Sentence> {
    if summary.scaled.is_some() {
        return scaling::controls(summary);
    }
    if summary.interfered.is_some() {
        return places::controls(summary);
    }
    if summary.endured.is_some() {
        return durability::controls(summary);
    }
    if summary.deployed.is_some() {
        return deploys::controls(summary);
    }
    if summary.ticked.is_some() {
        return ticks::controls(summary);
    }
    let cpu = |comparison| {
        let mut checks = summary.certificate.checks.iter();
        checks.find(|c| c.comparison == comparison && c.metric == Metric::CpuServers)
    };
    let (null, planted) = (cpu(Comparison::Null)?, cpu(Comparison::Planted)?);
    let sentence = Sentence::new()
        .plain("The same instrument finds a difference in CPU of ")
        .estimate(null.found?)
        .plain(" between two identical monoliths, and of ")
        .estimate(planted.found?)
        .plain(format!(" where {} was planted", words::change(planted.truth)));
    ended(sentence)
}

/// What a reader has to know before the first number.
pub(super) struct Notice {
    /// The sentence that must not be overlooked.
    pub(super) lead: &'static str,
    /// The rest.
    pub(super) text: &'static str,
    /// Whether something is wrong, and not just small.
    pub(super) alarm: bool,
}

/// Why no verdict is drawn from a run, where none is.
pub(super) fn notice(run: &Run, summary: &Summary) -> Option<Notice> {
    let certificate = &summary.certificate;
    let (lead, text, alarm) = if run.preset == Preset::Smoke.to_string() {
        let text = "It shows that everything works. It is far too short for its numbers to mean \
                    anything.";
        ("A smoke run.", text, false)
    } else if run.composition.is_some() && certificate.uncontrolled() {
        let text = "Its containers shared the machine’s cores with the database and the generator, \
                    and no control certifies the instrument. The numbers are what was measured; no \
                    verdict is drawn from them.";
        ("A composition, as it ran.", text, false)
    } else if !certificate.certified {
        let text = "A control failed: it found a difference where there is none, or missed one \
                    that was planted. The numbers are shown as they are, but no verdict is drawn \
                    from them.";
        ("This run’s instrument is not certified.", text, true)
    } else {
        return None;
    };
    Some(Notice { lead, text, alarm })
}

/// What became of interruptions, one sentence each.
pub(super) fn resumptions(run: &Run) -> Vec<String> {
    let sentence = |resumption: &Resumption| {
        let Resumption { at, restart, dropped } = resumption;
        let at = at.format("%-d %B %Y, %H:%M UTC");
        let with = match run.slices.is_empty() {
            true => format!("after {} parts", words::count(u64::from(*restart))),
            false => format!("with restart {restart}"),
        };
        let went_on = format!("interrupted, and resumed on {at} {with}");
        match dropped.len() {
            0 => went_on,
            n => format!(
                "{went_on}, measured anew; its {n} slices from before are kept, and enter no estimate"
            ),
        }
    };
    run.resumed.iter().map(sentence).collect()
}

fn with_article(page: Page) -> String {
    let article = if page == Page::Article { "an" } else { "a" };
    format!("{article} {}", words::page(page))
}

fn ended(sentence: Sentence) -> Option<Sentence> {
    if sentence.0.is_empty() { None } else { Some(sentence.plain(".")) }
}
