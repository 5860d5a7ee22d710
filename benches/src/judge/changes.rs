//! What changed between two runs of one experiment, and what did not. Both are judged anew, each by
//! itself; then their estimates are held against each other.

use super::ids::question_ids;
use super::summarise_with;
use super::summary::{Metric, Outcome, Summary};
use crate::circumstances::Circumstances;
use crate::record::{Comparison, Page, Run};
use crate::stats::{Estimate, RESAMPLES, rounded, student_t};
use crate::words;

/// Two runs, the first called A and the second B.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// What differs around them: its name, and what it was in A and in B.
    pub circumstances: Vec<(String, [String; 2])>,
    /// What is the same around them.
    pub alike: Vec<String>,
    /// The verdicts, in the order of the card.
    pub verdicts: Vec<VerdictChange>,
    /// The effects, or the figures of a grid, that both have.
    pub effects: Vec<Change>,
    /// CPU per page of each arm, or of each cell of a grid.
    pub levels: Vec<Change>,
    /// What only one of them has an estimate of, and whether that is B.
    pub one_sided: Vec<OneSided>,
    /// What both have an estimate of, of which one reaches down to nothing.
    pub uncertain: Vec<String>,
    /// Probability with which each interval of a change claims to hold the truth: so high that all
    /// of them together raise a false alarm in at most 5 % of comparisons (Bonferroni).
    pub confidence: f64,
}

/// The name of something that only one run has, and whether that is B.
pub type OneSided = (String, bool);

/// One question and both answers.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictChange {
    /// What was asked.
    pub question: String,
    /// The answers of A and B.
    pub outcomes: [Option<Outcome>; 2],
}

impl VerdictChange {
    /// Which of them decide the question.
    pub fn decided(&self) -> [bool; 2] {
        self.outcomes.map(|outcome| outcome.is_some_and(|o| o != Outcome::Inconclusive))
    }

    /// Whether one decides it, and the other does not or otherwise.
    pub fn differs(&self) -> bool {
        self.outcomes[0] != self.outcomes[1] && self.decided() != [false; 2]
    }
}

/// One estimate in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// On which page, where there are pages.
    pub page: Option<&'static str>,
    /// Of what: a metric, an arm, a claim, a cell.
    pub name: String,
    /// What kind of number it is.
    pub kind: Kind,
    /// In A and in B, with the intervals that each run gives.
    pub values: [Estimate; 2],
    /// B / A.
    pub change: Estimate,
}

impl Change {
    /// Whether the interval of the change excludes "none".
    pub fn differs(&self) -> bool {
        !self.change.contains(1.0)
    }
}

/// What kind of number an estimate is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Split / monolith.
    Ratio,
    /// Milliseconds of CPU.
    Level,
    /// A figure in this unit.
    Figure(String),
}

/// An estimate on the logarithm, as what is needed to compare it with one from other restarts.
#[derive(Clone, Copy)]
struct Known {
    value: f64,
    /// Standard error.
    error: f64,
    freedom: f64,
}

impl Known {
    /// From an estimate whose interval rests on so many restarts. Ratios have intervals that are
    /// symmetric on the logarithm; those of other numbers nearly are (delta method). `None` where a
    /// logarithm can't be had.
    fn of(estimate: Estimate, restarts: usize, confidence: f64) -> Option<Self> {
        if estimate.low <= 0.0 || restarts < 2 {
            return None;
        }
        let Estimate { value, low, high } = estimate.map(f64::ln);
        let (half, freedom) = ((high - low) / 2.0, restarts - 1);
        let error = half / student_t(confidence, freedom);
        Some(Self { value, error, freedom: freedom as f64 })
    }
}

/// How `after` differs from `before`, as a ratio. The runs are independent, so variances add up; the
/// degrees of freedom are those of Welch and Satterthwaite, rounded down.
fn change([before, after]: [Known; 2], confidence: f64) -> Estimate {
    let squares = [before, after].map(|known| known.error.powi(2));
    let variance = squares[0] + squares[1];
    let spread = squares[0].powi(2) / before.freedom + squares[1].powi(2) / after.freedom;
    // No spread at all: then any number of degrees of freedom will do.
    let freedom = if spread > 0.0 { variance.powi(2) / spread } else { 1.0 };
    let half = student_t(confidence, (freedom as usize).max(1)) * variance.sqrt();
    let value = after.value - before.value;
    let estimate = Estimate { value, low: value - half, high: value + half };
    estimate.map(f64::exp).map(rounded)
}

/// Compares two runs.
///
/// # Errors
/// When they are of different experiments, or one can't be judged.
pub fn changes(runs: [&Run; 2]) -> anyhow::Result<Changes> {
    changes_with(runs, RESAMPLES)
}

/// [`changes`] with another number of draws, for tests.
pub(crate) fn changes_with(runs: [&Run; 2], resamples: u32) -> anyhow::Result<Changes> {
    let [a, b] = runs;
    anyhow::ensure!(
        a.experiment == b.experiment,
        "{} is a run of {}, {} one of {}: there is nothing to compare",
        a.id,
        a.experiment,
        b.id,
        b.experiment
    );
    between(runs, &[summarise_with(a, resamples)?, summarise_with(b, resamples)?])
}

fn between(runs: [&Run; 2], summaries: &[Summary; 2]) -> anyhow::Result<Changes> {
    let [effects, levels] = [estimates, levels].map(|of| {
        let of = summaries.each_ref().map(of);
        pairs(&of)
    });
    let ((effects, only_effects), (levels, only_levels)) = (effects, levels);
    let compared = effects.len() + levels.len();
    let confidence = 1.0 - 0.05 / compared.max(1) as f64;
    let (effects, uncertain) = changed(effects, confidence);
    let (levels, uncertain_levels) = changed(levels, confidence);
    let (differing, alike): (Vec<_>, Vec<_>) =
        circumstances(runs, summaries).into_iter().partition(|(_, [a, b])| a != b);
    let (verdicts, only_verdicts) = verdicts(runs, summaries)?;
    Ok(Changes {
        circumstances: differing,
        alike: alike.into_iter().map(|(name, _)| name).collect(),
        verdicts,
        effects,
        levels,
        uncertain: [uncertain, uncertain_levels].concat(),
        one_sided: [only_verdicts, only_effects, only_levels].concat(),
        confidence: rounded(confidence),
    })
}

/// Something that one run has an estimate of.
#[derive(Clone, Debug)]
struct Estimated {
    page: Option<&'static str>,
    name: String,
    kind: Kind,
    value: Estimate,
    restarts: usize,
    confidence: f64,
}

impl Estimated {
    fn full_name(&self) -> String {
        self.page.into_iter().chain([self.name.as_str()]).collect::<Vec<_>>().join(", ")
    }
}

/// What a run is about: the effects of the boundary, or the figures of a grid.
fn estimates(summary: &Summary) -> Vec<Estimated> {
    let boundary = summary.contrasts.iter().filter(|c| c.comparison == Comparison::Boundary);
    let effects = boundary.flat_map(|contrast| {
        contrast.all.metrics.keys().filter_map(|metric| {
            let effect = contrast.all.effect(*metric)?;
            Some(Estimated {
                page: Some(words::page(contrast.page)),
                name: words::metric(*metric).to_owned(),
                kind: Kind::Ratio,
                value: effect.ratio,
                restarts: effect.restarts,
                confidence: contrast.confidence,
            })
        })
    });
    let figures = summary.findings.iter().filter_map(|finding| {
        Some(Estimated {
            page: None,
            name: finding.claim.clone(),
            kind: Kind::Figure(finding.unit.clone()),
            value: finding.found?,
            restarts: finding.rounds,
            confidence: 0.95,
        })
    });
    effects.chain(figures).collect()
}

/// What each arm or cell costs. Of other metrics the levels depend on the rate, which every run sets
/// anew.
fn levels(summary: &Summary) -> Vec<Estimated> {
    let boundary = summary.contrasts.iter().filter(|c| c.comparison == Comparison::Boundary);
    let arms = boundary.flat_map(|contrast| {
        let effect = contrast.all.effect(Metric::CpuServers);
        effect.into_iter().flat_map(|effect| {
            contrast.arms.into_iter().zip(effect.levels).map(|(arm, value)| Estimated {
                page: Some(words::page(contrast.page)),
                name: arm.name().to_owned(),
                kind: Kind::Level,
                value,
                restarts: effect.restarts,
                confidence: contrast.confidence,
            })
        })
    });
    let rounds = summary.findings.first().map_or(0, |finding| finding.rounds);
    let cells = summary.figures.iter().filter_map(move |figures| {
        Some(Estimated {
            page: None,
            name: figures.cell.clone(),
            kind: Kind::Level,
            value: *figures.metrics.get(&Metric::CpuServers)?,
            restarts: rounds,
            confidence: 0.95,
        })
    });
    arms.chain(cells).collect()
}

/// What has the same name in both, in the order of the first; and the names of what has none.
fn pairs([first, second]: &[Vec<Estimated>; 2]) -> (Vec<[Estimated; 2]>, Vec<OneSided>) {
    let same = |all: &[Estimated], one: &Estimated| {
        all.iter().find(|other| (other.page, &other.name) == (one.page, &one.name)).cloned()
    };
    let both = first.iter().filter_map(|a| Some([a.clone(), same(second, a)?]));
    let without = |all: &[Estimated], others: &[Estimated], in_second| -> Vec<OneSided> {
        let alone = all.iter().filter(|one| same(others, one).is_none());
        alone.map(|one| (one.full_name(), in_second)).collect()
    };
    let one_sided = [without(first, second, false), without(second, first, true)].concat();
    (both.collect(), one_sided)
}

/// The change of each pair; and the names of those that are too uncertain for one.
fn changed(pairs: Vec<[Estimated; 2]>, confidence: f64) -> (Vec<Change>, Vec<String>) {
    let (mut changes, mut uncertain) = (Vec::new(), Vec::new());
    for [a, b] in pairs {
        let known = [&a, &b].map(|e| Known::of(e.value, e.restarts, e.confidence));
        let [Some(before), Some(after)] = known else {
            uncertain.push(a.full_name());
            continue;
        };
        let Estimated { page, name, kind, value, .. } = a;
        let (values, change) = ([value, b.value], change([before, after], confidence));
        changes.push(Change { page, name, kind, values, change });
    }
    (changes, uncertain)
}

/// Both answers to each question, and the questions that only one run asks.
fn verdicts(
    runs: [&Run; 2],
    summaries: &[Summary; 2],
) -> anyhow::Result<(Vec<VerdictChange>, Vec<OneSided>)> {
    let [ids_a, ids_b] =
        [question_ids(runs[0], &summaries[0])?, question_ids(runs[1], &summaries[1])?];
    let (mut both, mut alone) = (Vec::new(), Vec::new());
    for (id, verdict) in ids_a.iter().zip(&summaries[0].verdicts) {
        match ids_b.iter().zip(&summaries[1].verdicts).find(|(other, _)| *other == id) {
            Some((_, other)) => both.push(VerdictChange {
                question: verdict.question.clone(),
                outcomes: [verdict.outcome, other.outcome],
            }),
            None => alone.push((verdict.question.clone(), false)),
        }
    }
    let only_second =
        ids_b.iter().zip(&summaries[1].verdicts).filter(|(id, _)| !ids_a.contains(id));
    alone.extend(only_second.map(|(_, verdict)| (verdict.question.clone(), true)));
    Ok((both, alone))
}

/// Everything around two runs that a reader has to know, in both.
fn circumstances(runs: [&Run; 2], summaries: &[Summary; 2]) -> Vec<(String, [String; 2])> {
    let [a, b] = runs.map(|run| Circumstances::of(run).named());
    let mut all: Vec<_> = a
        .into_iter()
        .zip(b)
        .map(|((name, a), (_, b))| (name.to_owned(), [a, b]))
        // Sizes follow from commit and compiler.
        .filter(|(name, _)| name != "programs")
        .collect();
    all.push(("preset".to_owned(), runs.map(|run| run.preset.clone())));
    all.push(("seed".to_owned(), runs.map(|run| run.seed.to_string())));
    let certified = summaries.each_ref().map(|summary| match &summary.certificate {
        certificate if certificate.uncontrolled() => "no controls",
        certificate if certificate.certified => "certified",
        _ => "not certified",
    });
    all.push(("instrument".to_owned(), certified.map(str::to_owned)));
    for page in [Page::Home, Page::Article] {
        let rate = |summary: &Summary| {
            let contrast = summary.contrast(Comparison::Boundary, page);
            let rate = contrast.map(|c| words::count(c.rate.round() as u64));
            rate.map_or_else(String::new, |rate| format!("{rate} /s"))
        };
        let name = format!("{} rate", words::page(page));
        all.push((name, summaries.each_ref().map(rate)));
    }
    all.retain(|(_, both)| both.iter().any(|text| !text.is_empty()));
    all
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
