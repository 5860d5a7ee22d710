//! `verdicts.json`: the answers and what they rest on, for programs. Its form is published as
//! `docs/verdicts.schema.json`, which the types below give: a test holds one against the other.
//!
//! Names of pages, metrics and arms are texts and no closed lists: an experiment may bring new ones,
//! and a reader who doesn't know one passes over it. Outcomes are closed; their grammar is fixed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::experiment::{self, Design};
use crate::grid::Bound;
use crate::judge::ids::{name, question_ids};
use crate::judge::interfered::{Asked, Interfered, Rule};
use crate::judge::summary::{
    Check, Contrast, Family, Finding, Measured, Metric, Outcome, Summary, Verdict,
};
use crate::judge::{Limit, Question};
use crate::record::{Arm, Comparison, Machine, Run};
use crate::stats::Estimate;
use crate::words;

/// Raised whenever a field goes or means something else; fields that are added don't raise it.
const SCHEMA: u32 = 1;

/// What a run of the lab says, and how far that can be trusted.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "Verdicts of a run of the lab"))]
pub(super) struct Verdicts {
    /// Version of this form.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    schema: u32,
    /// Name of the run.
    run: String,
    /// Id of the experiment's card.
    experiment: String,
    /// When measuring began.
    started: DateTime<Utc>,
    /// When measuring went on after an interruption; empty for a run in one piece.
    resumed: Vec<DateTime<Utc>>,
    /// What the servers were built from; `-dirty` behind it where the work tree differed.
    commit: String,
    /// Where it ran.
    machine: Machine,
    /// Whether the containers of a running composition were measured.
    composition: bool,
    /// Kind of database.
    database: String,
    /// How many rows of what the servers served.
    dataset: BTreeMap<String, u64>,
    /// How much was measured: `smoke`, `quick`, `standard` or `full`.
    preset: String,
    /// Seed of arrivals, order of slices and resampling.
    seed: u64,
    /// The command that repeats the run.
    command: String,
    /// What the controls found.
    certificate: Certificate,
    /// One answer per question, the headline first.
    verdicts: Vec<Answer>,
}

/// Whether the instrument found nothing where nothing is, and what was planted.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Certificate {
    /// Whether the controls passed. Without that there are no verdicts.
    certified: bool,
    /// Probability with which each control's interval claims to hold the truth.
    confidence: f64,
    /// The controls one by one.
    controls: Vec<Control>,
}

/// One control: two arms of which the true ratio is known.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Control {
    /// The arms, the first and the second of the ratio.
    arms: [&'static str; 2],
    /// What was compared.
    metric: String,
    /// The ratio that is true by construction.
    truth: f64,
    /// The ratio that was found; null where there was not enough to tell.
    found: Option<Estimate>,
    /// Whether it passed; null where there was not enough to tell.
    passed: Option<bool>,
}

/// A question and its answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer {
    /// The same in every run of the experiment.
    id: String,
    /// The statement that the verdict is about.
    question: String,
    /// The answer; null where none may be given.
    outcome: Option<Outcome>,
    /// Why, in words.
    because: String,
    /// What decides it.
    limit: Threshold,
    /// What the answer rests on.
    evidence: Vec<Evidence>,
}

/// What decides between one answer and the other.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum Threshold {
    /// The ratio has to exceed `ratio`, and the difference `difference`.
    More {
        /// Second arm / first arm.
        ratio: f64,
        /// Second arm − first arm, in the metric's unit.
        difference: f64,
    },
    /// The ratio has to stay below `ratio`.
    Less {
        /// Second arm / first arm.
        ratio: f64,
    },
    /// The figure may be at most this.
    AtMost(f64),
    /// The figure has to exceed this.
    MoreThan(f64),
    /// The figure has to lie between these, ends included.
    Between([f64; 2]),
    /// So many comparisons of a family may find something, where there is nothing.
    AlarmsAtMost(usize),
    /// So many comparisons of a family have to find what was planted.
    FoundAtLeast(usize),
}

/// What an answer rests on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum Evidence {
    /// Two arms on one page.
    Contrast(OfContrast),
    /// A figure that follows from cells of a grid.
    Figure(OfFigure),
    /// The same comparison, made many times.
    Family(OfFamily),
}

/// One metric of two arms on one page.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OfContrast {
    /// Where: the page.
    page: &'static str,
    /// What was compared.
    metric: String,
    /// Unit of levels and difference: `ms`, or `/s` for pages a second.
    unit: &'static str,
    /// The arms, the first and the second of the ratio.
    arms: [&'static str; 2],
    /// Arrivals per second at which latency and CPU were measured.
    rate: f64,
    /// Probability with which the intervals claim to hold the truth.
    confidence: f64,
    /// Server starts that the intervals rest on.
    restarts: usize,
    /// Right answers per arm behind latency and CPU; null for a goodput, which a search finds.
    requests: Option<[u64; 2]>,
    /// What was found, or what is missing to tell.
    #[serde(flatten)]
    found: Found,
    /// The ratio without what was flagged; absent where nothing was flagged, or too little is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_without_flagged: Option<Estimate>,
}

/// A figure that follows from cells of a grid.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OfFigure {
    /// `×` or `ms`.
    unit: String,
    /// Server starts that the interval rests on.
    rounds: usize,
    /// The figure with its 95 % interval; null where there was too little to tell.
    found: Option<Estimate>,
    /// The same without the rounds in which others used the CPU; absent where there were none, or too
    /// little is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_flagged: Option<Estimate>,
}

/// The same comparison, made many times.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OfFamily {
    /// The arms, the first and the second of the ratio.
    arms: [&'static str; 2],
    /// What was compared.
    metric: String,
    /// The ratio that is true by construction, on average.
    truth: f64,
    /// How many comparisons found something, or what was planted.
    hits: usize,
    /// The ratio that each comparison found, in order.
    ratios: Vec<Estimate>,
}

/// What was found, or what is missing to tell.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Found {
    /// There was enough.
    Effect {
        /// First and second arm, in the unit.
        levels: [Estimate; 2],
        /// Second arm / first arm.
        ratio: Estimate,
        /// Second arm − first arm, in the unit.
        difference: Estimate,
    },
    /// There was not.
    Missing {
        /// What is missing, in words.
        missing: String,
    },
}

/// The file's content.
///
/// # Errors
/// When the run names an experiment that this program doesn't know.
pub(super) fn json(run: &Run, summary: &Summary) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&verdicts(run, summary)?)? + "\n")
}

fn verdicts(run: &Run, summary: &Summary) -> anyhow::Result<Verdicts> {
    let certificate = &summary.certificate;
    let answers = question_ids(run, summary)?.into_iter().zip(&summary.verdicts);
    let answers = answers.zip(grounds(run, summary)?);
    Ok(Verdicts {
        schema: SCHEMA,
        run: run.id.clone(),
        experiment: run.experiment.clone(),
        started: run.started,
        resumed: run.resumed.iter().map(|resumption| resumption.at).collect(),
        commit: run.build.commit.clone(),
        machine: run.machine.clone(),
        composition: run.composition.is_some(),
        database: run.database.clone(),
        dataset: run.dataset.clone(),
        preset: run.preset.clone(),
        seed: run.seed,
        command: run.command.clone(),
        certificate: Certificate {
            certified: certificate.certified,
            confidence: certificate.confidence,
            controls: certificate.checks.iter().map(control).collect(),
        },
        verdicts: answers.map(|((id, verdict), grounds)| answer(id, verdict, grounds)).collect(),
    })
}

fn control(check: &Check) -> Control {
    let Check { comparison, metric, truth, found, passed, .. } = check;
    let arms = comparison.arms().map(Arm::name);
    Control { arms, metric: name(*metric), truth: *truth, found: *found, passed: *passed }
}

fn answer(id: String, verdict: &Verdict, (limit, evidence): (Threshold, Vec<Evidence>)) -> Answer {
    let Verdict { question, outcome, because } = verdict;
    let [question, because] = [question, because].map(words::plain);
    Answer { id, question, outcome: *outcome, because, limit, evidence }
}

/// For each verdict what decides it, and what it rests on.
fn grounds(run: &Run, summary: &Summary) -> anyhow::Result<Vec<(Threshold, Vec<Evidence>)>> {
    Ok(match experiment::find(&run.experiment)?.design {
        Design::Contrast { questions, .. } => {
            questions.iter().map(|question| of_question(question, summary)).collect()
        }
        Design::Families { .. } => summary.families.iter().map(of_family).collect(),
        Design::Grid(_)
        | Design::Replicas(_)
        | Design::Durability(_)
        | Design::Deploys(_)
        | Design::Ticks(_) => summary.findings.iter().map(of_figure).collect(),
        Design::Scaling(_) => {
            let mixes = summary.scaled.as_ref().map_or(0, |scaled| scaled.mixes.len());
            of_ratios(&summary.findings, mixes)
        }
        Design::Interference(_) => summary.interfered.as_ref().map(of_places).unwrap_or_default(),
    })
}

fn of_question(question: &Question, summary: &Summary) -> (Threshold, Vec<Evidence>) {
    let limit = match question.limit {
        Limit::More { ratio, difference } => Threshold::More { ratio, difference },
        Limit::Less(ratio) => Threshold::Less { ratio },
    };
    let contrasts = summary.contrasts.iter().filter(|c| c.comparison == Comparison::Boundary);
    let evidence = contrasts.filter_map(|contrast| {
        let measured = contrast.all.metrics.get(&question.metric)?;
        Some(Evidence::Contrast(of_contrast(contrast, question.metric, measured)))
    });
    (limit, evidence.collect())
}

fn of_contrast(contrast: &Contrast, metric: Metric, measured: &Measured) -> OfContrast {
    let missing = |missing| (Found::Missing { missing }, contrast.all.restarts);
    let (found, restarts) = match measured {
        Measured::Effect(effect) => {
            let (levels, ratio, difference) = (effect.levels, effect.ratio, effect.difference);
            (Found::Effect { levels, ratio, difference }, effect.restarts)
        }
        Measured::MoreRequests(n) => missing(format!("{n} more requests per arm")),
        Measured::MoreRestarts(n) => missing(format!("{n} more restarts")),
    };
    let gated = contrast.gated.as_ref().and_then(|reading| reading.effect(metric));
    OfContrast {
        page: contrast.page.name(),
        metric: name(metric),
        unit: words::unit(metric),
        arms: contrast.arms.map(Arm::name),
        rate: contrast.rate,
        confidence: contrast.confidence,
        restarts,
        requests: (metric != Metric::Goodput).then_some(contrast.all.requests),
        found,
        ratio_without_flagged: gated.map(|effect| effect.ratio),
    }
}

/// First the claim as a whole, which rests on the ratios of all mixes, then each; then predictions.
fn of_ratios(findings: &[Finding], mixes: usize) -> Vec<(Threshold, Vec<Evidence>)> {
    let more = |limit| Threshold::More { ratio: limit, difference: 0.0 };
    let (of_mixes, predictions) = findings.split_at(mixes.min(findings.len()));
    let each = of_mixes.iter().map(|finding| (more(finding.limit), of_figure(finding).1));
    let all = of_mixes.iter().flat_map(|finding| of_figure(finding).1).collect();
    let whole = of_mixes.first().map(|finding| (more(finding.limit), all));
    whole.into_iter().chain(each).chain(predictions.iter().map(of_figure)).collect()
}

/// First both claims as a whole, which rest on all places, then each.
fn of_places(found: &Interfered) -> Vec<(Threshold, Vec<Evidence>)> {
    let figures = |rules: &mut dyn Iterator<Item = &Rule>| {
        let findings: Vec<&Finding> = rules.flat_map(|rule| &rule.findings).collect();
        let limit = findings.first().map_or(0.0, |finding| finding.limit);
        let evidence = findings.into_iter().flat_map(|finding| of_figure(finding).1);
        (Threshold::AtMost(limit), evidence.collect())
    };
    let whole = [Asked::Late, Asked::P99].map(|asked| figures(&mut found.rules(asked)));
    let each = found.rules(Asked::Late).map(|rule| figures(&mut std::iter::once(rule)));
    whole.into_iter().chain(each).collect()
}

fn of_figure(finding: &Finding) -> (Threshold, Vec<Evidence>) {
    let figure = OfFigure {
        unit: finding.unit.clone(),
        rounds: finding.rounds,
        found: finding.found,
        without_flagged: finding.gated,
    };
    let limit = match finding.bound {
        Bound::AtMost => Threshold::AtMost(finding.limit),
        Bound::MoreThan => Threshold::MoreThan(finding.limit),
        Bound::Off => Threshold::Between(finding.bound.range(finding.limit)),
    };
    (limit, vec![Evidence::Figure(figure)])
}

fn of_family(family: &Family) -> (Threshold, Vec<Evidence>) {
    let limit = match family.comparison {
        Comparison::Null => Threshold::AlarmsAtMost(family.limit),
        _ => Threshold::FoundAtLeast(family.limit),
    };
    let evidence = OfFamily {
        arms: family.comparison.arms().map(Arm::name),
        metric: name(family.metric),
        truth: family.truth,
        hits: family.hits,
        ratios: family.intervals.iter().map(|effect| effect.ratio).collect(),
    };
    (limit, vec![Evidence::Family(evidence)])
}

#[cfg(test)]
#[path = "verdicts_tests.rs"]
mod tests;
