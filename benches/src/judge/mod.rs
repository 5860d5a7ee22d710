//! The judgement: from the record of a run to estimates, controls and verdicts. Pure arithmetic: the
//! same record always gives the same summary, on any machine, without running any load.

pub mod changes;
pub mod combined;
mod controls;
mod counted;
mod decide;
pub mod deployed;
mod deploys;
mod durability;
pub mod endured;
mod families;
mod foreseen;
pub mod foretold;
mod grid;
pub mod ids;
pub mod interfered;
mod interference;
mod laboured;
mod measure;
pub mod pace;
mod pays;
mod places;
pub mod scaled;
mod scaling;
mod select;
pub mod shifted;
pub mod summary;
pub mod ticked;
mod ticks;
mod values;

use std::collections::BTreeMap;

pub use decide::{Limit, Question};
#[cfg(test)]
pub(crate) use deploys::tests::deploys_of;
#[cfg(test)]
pub(crate) use durability::tests::durability_of;
#[cfg(test)]
pub(crate) use grid::tests::sound_grid;
#[cfg(test)]
pub(crate) use interference::tests::{composed_interference, interference_of};
pub use measure::{REQUESTS_FOR_P99, latencies};
pub use pays::CEILING;
pub use scaling::LAG_SHARE;
#[cfg(test)]
pub(crate) use scaling::tests::{foretold_scaling, sound_scaling};
pub use select::{ERROR_LIMIT, FOREIGN_LIMIT, LAG_LIMIT_MS};
#[cfg(test)]
pub(crate) use ticks::tests::ticks_of;
#[cfg(test)]
pub(crate) use values::tests::run_of;

use crate::experiment::{self, Design, Preset};
use crate::record::{Arm, Cells, Comparison, Page, Purpose, Run, SCHEMA, Slice};
use crate::scaling::{Measured, Step};
use crate::stats::{RESAMPLES, median, rounded};
use crate::{deploys as releases, durability as kills, jobs, ticks as schedule};
use measure::{Method, Search, search};
use summary::{Certificate, Conduct, Footprint, Remark, Summary, Verdict};

/// Judges a run.
///
/// # Errors
/// When the record has another schema than this program reads, or names an experiment that this
/// program doesn't know.
pub fn summarise(run: &Run) -> anyhow::Result<Summary> {
    summarise_with(run, RESAMPLES)
}

/// [`summarise`] with another number of draws; tests that judge hundreds of runs take fewer.
pub(crate) fn summarise_with(run: &Run, resamples: u32) -> anyhow::Result<Summary> {
    anyhow::ensure!(
        run.schema == SCHEMA,
        "{} was written with schema {}, this program reads {SCHEMA}",
        run.id,
        run.schema
    );
    let experiment = experiment::find(&run.experiment)?;
    let slo_ms = experiment.card.slo_ms;
    let preset = run.preset.parse()?;
    if let Some(summary) = of_jobs(run, experiment.design, preset, slo_ms, resamples) {
        return Ok(summary);
    }
    let questions = match (experiment.design, &run.grid, &run.scaling) {
        (Design::Contrast { questions, .. }, None, None) => questions,
        (Design::Scaling(design), None, Some(measured)) => {
            let judged = scaling::judge(run, measured, &design(preset)?, slo_ms, resamples);
            return Ok(of_searches(run, measured, judged, resamples));
        }
        (Design::Families { restarts, .. }, None, None) => {
            return Ok(of_families(run, restarts, preset, resamples));
        }
        (Design::Grid(grid) | Design::Replicas(grid), Some(cells), None) => {
            let grid = grid(preset, &run.database);
            return Ok(of_cells(run, cells, grid::judge(run, cells, &grid, resamples), resamples));
        }
        _ => anyhow::bail!("{} is no run of {}", run.id, run.experiment),
    };
    let confidence = controls::confidence();
    let mut contrasts = Vec::new();
    for comparison in [Comparison::Boundary, Comparison::Null, Comparison::Planted] {
        let confidence = if comparison == Comparison::Boundary { 0.95 } else { confidence };
        let method = Method { seed: run.seed, resamples, confidence, slo_ms };
        for page in [Page::Home, Page::Article] {
            contrasts.extend(measure::contrast(run, comparison, page, method));
        }
    }
    let mut summary = Summary {
        schema: SCHEMA,
        run: run.id.clone(),
        experiment: run.experiment.clone(),
        resamples,
        footprint: footprint(run),
        conduct: conduct(run, slo_ms),
        certificate: Certificate { certified: false, confidence, checks: Vec::new() },
        verdicts: Vec::new(),
        contrasts,
        families: Vec::new(),
        figures: Vec::new(),
        findings: Vec::new(),
        derived: Vec::new(),
        scaled: None,
        interfered: None,
        endured: None,
        deployed: None,
        ticked: None,
    };
    summary.certificate = controls::certificate(run, &summary);
    summary.verdicts = questions.iter().map(|q| q.answer(preset, &summary)).collect();
    Ok(summary)
}

/// The summary of a certificate.
fn of_families(run: &Run, restarts: usize, preset: Preset, resamples: u32) -> Summary {
    let method = Method { seed: run.seed, resamples, confidence: 0.95, slo_ms: f64::INFINITY };
    let families = families::judge(run, restarts, method);
    Summary {
        schema: SCHEMA,
        run: run.id.clone(),
        experiment: run.experiment.clone(),
        resamples,
        contrasts: Vec::new(),
        footprint: footprint(run),
        conduct: conduct(run, f64::INFINITY),
        certificate: families::certificate(&families),
        verdicts: families::verdicts(preset, &families),
        families,
        figures: Vec::new(),
        findings: Vec::new(),
        derived: Vec::new(),
        scaled: None,
        interfered: None,
        endured: None,
        deployed: None,
        ticked: None,
    }
}

/// The summary of a grid.
fn of_cells(run: &Run, cells: &Cells, judged: grid::Judged, resamples: u32) -> Summary {
    let grid::Judged { figures, findings, derived, certificate, verdicts } = judged;
    let conduct = Conduct {
        slices: cells.trials.len(),
        requests: cells.trials.iter().map(|trial| trial.requests).sum(),
        errors: 0,
        worst_lag_ms: 0.0,
        void: Vec::new(),
        flagged: Vec::new(),
        unsettled: Vec::new(),
    };
    Summary {
        schema: SCHEMA,
        run: run.id.clone(),
        experiment: run.experiment.clone(),
        resamples,
        contrasts: Vec::new(),
        footprint: footprint(run),
        conduct,
        certificate,
        verdicts,
        families: Vec::new(),
        figures,
        findings,
        derived,
        scaled: None,
        interfered: None,
        endured: None,
        deployed: None,
        ticked: None,
    }
}

/// The summary of searches for the best way to spend a budget.
fn of_searches(run: &Run, measured: &Measured, judged: scaling::Judged, resamples: u32) -> Summary {
    let scaling::Judged { scaled, findings, certificate, verdicts } = judged;
    let steps = || measured.trials.iter().flat_map(|trial| &trial.steps);
    let rest = of_steps(run, resamples, steps, certificate, verdicts);
    Summary { findings, scaled: Some(scaled), ..rest }
}

/// What a run is about that is about jobs.
enum OfJobs<'a> {
    Places(&'a jobs::Measured),
    Kills(&'a kills::Measured),
    Deploys(&'a releases::Measured),
    Ticks(&'a schedule::Measured),
}

/// That, if it is one thing alone.
fn jobs_of(run: &Run) -> Option<OfJobs<'_>> {
    match (&run.interference, &run.durability, &run.deploys, &run.ticks) {
        (Some(measured), None, None, None) => Some(OfJobs::Places(measured)),
        (None, Some(measured), None, None) => Some(OfJobs::Kills(measured)),
        (None, None, Some(measured), None) => Some(OfJobs::Deploys(measured)),
        (None, None, None, Some(measured)) => Some(OfJobs::Ticks(measured)),
        _ => None,
    }
}

/// The summary of a run that is about jobs.
fn of_jobs(
    run: &Run,
    design: Design,
    preset: Preset,
    slo_ms: f64,
    resamples: u32,
) -> Option<Summary> {
    match (design, jobs_of(run)?) {
        (Design::Interference(design), OfJobs::Places(measured)) => {
            let judged = interference::judge(run, measured, design(preset), slo_ms, resamples);
            Some(of_places(run, measured, judged, resamples))
        }
        (Design::Durability(_), OfJobs::Kills(measured)) => {
            Some(of_kills(run, measured, preset, resamples))
        }
        (Design::Deploys(_), OfJobs::Deploys(measured)) => {
            Some(of_deploys(run, measured, preset, resamples))
        }
        (Design::Ticks(_), OfJobs::Ticks(measured)) => {
            Some(of_ticks(run, measured, preset, resamples))
        }
        _ => None,
    }
}

/// The summary of jobs in several places.
fn of_places(
    run: &Run,
    measured: &jobs::Measured,
    judged: interference::Judged,
    resamples: u32,
) -> Summary {
    let interference::Judged { interfered, certificate, verdicts } = judged;
    let steps = || measured.trials.iter().flat_map(|trial| &trial.slices).map(|slice| &slice.pages);
    let rest = of_steps(run, resamples, steps, certificate, verdicts);
    Summary { interfered: Some(interfered), ..rest }
}

/// The summary of kills.
fn of_kills(run: &Run, measured: &kills::Measured, preset: Preset, resamples: u32) -> Summary {
    let durability::Judged { endured, findings, certificate, verdicts } =
        durability::judge(measured, preset);
    let rest = of_steps(run, resamples, std::iter::empty, certificate, verdicts);
    Summary { findings, endured: Some(endured), ..rest }
}

/// The summary of deploys.
fn of_deploys(run: &Run, measured: &releases::Measured, preset: Preset, resamples: u32) -> Summary {
    let deploys::Judged { deployed, findings, certificate, verdicts } =
        deploys::judge(measured, preset, run.seed, resamples);
    let rest = of_steps(run, resamples, std::iter::empty, certificate, verdicts);
    Summary { findings, deployed: Some(deployed), ..rest }
}

/// The summary of ticks.
fn of_ticks(run: &Run, measured: &schedule::Measured, preset: Preset, resamples: u32) -> Summary {
    let ticks::Judged { ticked, findings, certificate, verdicts } = ticks::judge(measured, preset);
    let rest = of_steps(run, resamples, std::iter::empty, certificate, verdicts);
    Summary { findings, ticked: Some(ticked), ..rest }
}

/// What all experiments say that load servers in steps.
fn of_steps<'a, I: Iterator<Item = &'a Step>>(
    run: &Run,
    resamples: u32,
    steps: impl Fn() -> I,
    certificate: Certificate,
    verdicts: Vec<Verdict>,
) -> Summary {
    Summary {
        schema: SCHEMA,
        run: run.id.clone(),
        experiment: run.experiment.clone(),
        resamples,
        contrasts: Vec::new(),
        footprint: Vec::new(),
        conduct: conduct_of(steps),
        certificate,
        verdicts,
        families: Vec::new(),
        figures: Vec::new(),
        findings: Vec::new(),
        derived: Vec::new(),
        scaled: None,
        interfered: None,
        endured: None,
        deployed: None,
        ticked: None,
    }
}

/// How these steps went. What of them is void stands elsewhere.
fn conduct_of<'a, I: Iterator<Item = &'a Step>>(steps: impl Fn() -> I) -> Conduct {
    let wrong = |step: &Step| step.scheduled.saturating_sub(step.completed);
    Conduct {
        slices: steps().count(),
        requests: steps().map(|step| step.scheduled).sum(),
        errors: steps().map(wrong).sum(),
        worst_lag_ms: rounded(steps().map(|step| step.lag_p99_ms).fold(0.0, f64::max)),
        void: Vec::new(),
        flagged: Vec::new(),
        unsettled: Vec::new(),
    }
}

/// Memory and start-up per arm and role.
fn footprint(run: &Run) -> Vec<Footprint> {
    let mut grouped: BTreeMap<(Arm, &str), Vec<_>> = BTreeMap::new();
    for start in &run.starts {
        grouped.entry((start.arm, &start.role)).or_default().push(start);
    }
    grouped
        .into_iter()
        .map(|((arm, role), starts)| {
            let of = |value: fn(&crate::record::Start) -> f64| {
                median(starts.iter().map(|s| value(s)).collect()).unwrap_or(0.0)
            };
            let working = run
                .slices
                .iter()
                .filter(|s| s.arm == arm && s.purpose == Purpose::Steady)
                .filter_map(|s| s.resident_mib.get(role).copied())
                .collect();
            Footprint {
                arm,
                role: role.into(),
                starts: starts.len(),
                ready_ms: of(|s| s.ready_ms),
                first_ok_ms: of(|s| s.first_ok_ms),
                started_mib: of(|s| s.resident_mib),
                working_mib: median(working),
            }
        })
        .collect()
}

/// How the run went: what was void, flagged or without result.
fn conduct(run: &Run, slo_ms: f64) -> Conduct {
    let steady = || run.slices.iter().filter(|s| s.purpose != Purpose::Capacity);
    let worst_lag_ms = steady().map(select::lag_p99_ms).fold(0.0, f64::max);
    let remarks = |why: &dyn Fn(&Slice) -> Option<String>| -> Vec<Remark> {
        run.slices.iter().filter_map(|s| Some(select::remark(s, why(s)?))).collect()
    };
    let flagged = |slice: &Slice| {
        let flags: Vec<_> = select::flags(slice).into_iter().map(|flag| flag.why).collect();
        (select::void(slice).is_none() && !flags.is_empty()).then(|| flags.join("; "))
    };
    Conduct {
        slices: run.slices.len(),
        requests: run.slices.iter().map(|s| s.sent).sum(),
        errors: steady().map(|s| s.scheduled.saturating_sub(s.completed)).sum(),
        worst_lag_ms: rounded(worst_lag_ms),
        void: remarks(&select::void),
        flagged: remarks(&flagged),
        unsettled: unsettled(run, slo_ms),
    }
}

/// The searches for the goodput that found none.
fn unsettled(run: &Run, slo_ms: f64) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for comparison in [Comparison::Boundary, Comparison::Null, Comparison::Planted] {
        for page in [Page::Home, Page::Article] {
            for block in select::blocks(run, Purpose::Capacity, comparison, page) {
                for steps in &block.arms {
                    if let (Search::Unsettled(why), Some(step)) =
                        (search(steps, slo_ms), steps.first())
                    {
                        remarks.push(select::remark(step, why.into()));
                    }
                }
            }
        }
    }
    remarks
}

#[cfg(test)]
mod tests;
