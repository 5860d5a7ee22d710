//! The finding in words: a few sentences that carry the numbers, the same in every rendering.

use crate::experiment::Card;
use crate::judge::summary::{Effect, Metric, Summary};
use crate::record::{Comparison, Page, Run};
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
    fn new() -> Self {
        Self(Vec::new())
    }

    /// A claim, and the figures on it, which are set apart.
    pub(super) fn of(claim: &str, figures: &str) -> Self {
        Self::new().plain(format!("{claim}: ")).strong(figures).plain(".")
    }

    fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece { text: text.into(), strong: false });
        self
    }

    fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece { text: text.into(), strong: true });
        self
    }

    /// `(change [interval])`, the change set apart.
    fn change(self, effect: &Effect) -> Self {
        self.plain("(").estimate(effect.ratio).plain(")")
    }

    /// A ratio as a change, set apart, and its interval.
    fn estimate(self, ratio: Estimate) -> Self {
        let text = words::change_with_interval(ratio);
        let (change, interval) = text.split_at(text.find('[').unwrap_or(text.len()));
        self.strong(change).plain(interval)
    }

    /// Without marking.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
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

fn with_article(page: Page) -> String {
    let article = if page == Page::Article { "an" } else { "a" };
    format!("{article} {}", words::page(page))
}

fn ended(sentence: Sentence) -> Option<Sentence> {
    if sentence.0.is_empty() { None } else { Some(sentence.plain(".")) }
}
