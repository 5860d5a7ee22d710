//! What stands around every page's own results: verdicts, card, circumstances. Templates only place it.

use super::{
    explain,
    finding::{self, Notice, Sentence},
};
use crate::experiment::Card;
use crate::judge::summary::{Check, Metric, Outcome, Summary, Verdict};
use crate::record::{Container, Run};
use crate::words;

/// The style sheet, set into the page: it has to work without any network.
const CSS: &str = include_str!("../../templates/report.css");

/// What every page shows, whatever was measured.
pub(super) struct Frame<'a> {
    pub(super) css: &'static str,
    /// What only this page needs of style. (The sheet of all pages is part of those that are published
    /// already.)
    pub(super) style: &'static str,
    pub(super) title: &'static str,
    pub(super) id: &'static str,
    pub(super) when: String,
    pub(super) run: &'a Run,
    pub(super) notice: Option<Notice>,
    pub(super) resamples: String,
    pub(super) verdicts: Vec<Answer<'a>>,
    pub(super) finding: Vec<Sentence>,
    pub(super) checks: Vec<CheckLine>,
    pub(super) card: Vec<(&'static str, Vec<String>)>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) json: String,
}

impl<'a> Frame<'a> {
    /// The frame of a run's page, whose first sentences are `finding`.
    pub(super) fn of(
        run: &'a Run,
        card: &Card,
        summary: &'a Summary,
        style: &'static str,
        finding: Vec<Sentence>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            css: CSS,
            style,
            title: card.title,
            id: card.id,
            when: run.started.format("%-d %B %Y, %H:%M UTC").to_string(),
            run,
            notice: finding::notice(run, summary),
            resamples: words::count(u64::from(summary.resamples)),
            verdicts: summary.verdicts.iter().map(answer).collect(),
            finding,
            checks: summary.certificate.checks.iter().map(check_line).collect(),
            card: explain::sections(card),
            facts: facts(run),
            json: embedded(summary)?,
        })
    }
}

/// A verdict with its name and the class that colours it.
pub(super) struct Answer<'a> {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) verdict: &'a Verdict,
}

/// A control, and how it came out.
pub(super) struct CheckLine {
    pub(super) what: String,
    pub(super) truth: String,
    pub(super) found: String,
    pub(super) passed: Option<bool>,
    pub(super) sentence: String,
}

/// All estimates, as they stand in the page: a `<` in a string must not end the script element that
/// holds them.
fn embedded(summary: &Summary) -> anyhow::Result<String> {
    Ok(serde_json::to_string(summary)?.replace('<', "\\u003c"))
}

fn answer(verdict: &Verdict) -> Answer<'_> {
    let class = match verdict.outcome {
        Some(Outcome::Supported | Outcome::Refuted | Outcome::Depends | Outcome::Proxied) => "firm",
        Some(Outcome::Inconclusive) => "open",
        None => "none",
    };
    Answer { name: words::capitalised(words::outcome(verdict.outcome)), class, verdict }
}

pub(super) fn check_line(check: &Check) -> CheckLine {
    let [what, truth] = words::control(check.comparison, check.metric, check.truth);
    let found = match check.metric {
        Metric::Losses | Metric::Interruptions | Metric::Misfires => words::share_with_interval,
        _ => words::change_with_interval,
    };
    CheckLine {
        what: format!("{what}: {}", words::metric(check.metric)),
        truth,
        found: check.found.map_or_else(|| "–".into(), found),
        passed: check.passed,
        sentence: check.sentence.clone(),
    }
}

/// Under which circumstances all of it is true.
pub(super) fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let cores = |cores: &[u32]| {
        let cores: Vec<String> = cores.iter().map(ToString::to_string).collect();
        words::list(&cores)
    };
    let rows: Vec<String> =
        run.dataset.iter().map(|(what, n)| format!("{} {what}", words::count(*n))).collect();
    let machine = &run.machine;
    let mut facts = vec![
        (
            "Machine",
            format!(
                "{}, {} cores, {} MiB",
                machine.cpu,
                machine.cores,
                words::count(machine.memory_mib)
            ),
        ),
        ("System", format!("{}, Linux {}", machine.os, machine.kernel)),
        ("Load before", format!("{:.2}", machine.load_before)),
        (
            "Layout",
            match &run.composition {
                Some(_) => {
                    format!("no core is set apart: all share {}", cores(&run.layout.load_cores))
                }
                None => format!(
                    "servers on core {}, generator and database on core {}",
                    cores(&run.layout.server_cores),
                    cores(&run.layout.load_cores)
                ),
            },
        ),
        ("Commit", run.build.commit.clone()),
        ("Compiler", run.build.rustc.clone()),
        ("Database", run.database.clone()),
        ("Data", rows.join(", ")),
        ("Measured for", format!("{:.0}\u{a0}s", run.seconds)),
        ("Seed", run.seed.to_string()),
        ("Run", run.id.clone()),
    ];
    if let Some(noise) = &run.pilot.noise {
        facts.push(("Noise", noise.to_string()));
    }
    if let Some(composition) = &run.composition {
        facts.push(("Docker engine", composition.engine.clone()));
        let containers = composition.containers.iter();
        facts.extend(containers.map(|container| ("Container", contained(container))));
    }
    facts.extend(finding::resumptions(run).into_iter().map(|how| ("Interruption", how)));
    let fallbacks = run.layout.fallbacks.iter();
    facts.extend(fallbacks.map(|fallback| ("Fallback", fallback.clone())));
    facts
}

/// A container in words: what is in it, and what it may use.
fn contained(container: &Container) -> String {
    let Container { service, image, image_id, image_bytes, cpus, cores, memory_mib } = container;
    let limits: Vec<String> = [
        cpus.map(|cpus| format!("at most {cpus} cores")),
        cores.as_ref().map(|cores| format!("on core {cores} only")),
        memory_mib.map(|mib| format!("at most {} MiB", words::count(mib))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let limits = if limits.is_empty() { "no limit".to_owned() } else { words::list(&limits) };
    let size = words::count(image_bytes / 1_000_000);
    format!("{service}: image {image} of {size}\u{a0}MB ({image_id}), {limits}")
}
