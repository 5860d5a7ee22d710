//! What became of the jobs that visitors brought along.

use super::scaled::OfJobs;
use crate::{
    scaling::{Measured, Step, Trial},
    stats::rounded,
};

/// What became of them in these trials, all of one mix; `None` where it has no jobs, or nothing was
/// found.
pub(super) fn of_jobs(measured: &Measured, trials: &[&Trial], slo_ms: f64) -> Option<OfJobs> {
    let mix = &trials.first()?.mix;
    let jobs = measured.mixes.iter().find(|it| it.name == *mix)?.jobs?;
    let kept: Vec<&Step> = trials.iter().filter_map(|trial| trial.at_goodput(slo_ms)).collect();
    let done: Vec<_> = kept.iter().filter_map(|step| Some((step, step.jobs?))).collect();
    let mean = |values: Vec<f64>| rounded(values.iter().sum::<f64>() / values.len() as f64);
    let share = |number: f64, of: &Step| number * f64::from(jobs.each.ms) / of.cpu_of(true);
    let gave_way: Vec<&Step> = trials.iter().filter_map(|trial| trial.gave_way(slo_ms)).collect();
    (!done.is_empty()).then(|| OfJobs {
        share: mean(done.iter().map(|(step, jobs)| share(jobs.accepted as f64, step)).collect()),
        wait_ms: mean(done.iter().map(|(_, jobs)| jobs.wait_ms).collect()),
        pages_late: gave_way.iter().filter(|step| !step.pages_in_time(slo_ms)).count(),
        jobs_late: gave_way.iter().filter(|step| !step.jobs_in_time()).count(),
        trials: gave_way.len(),
    })
}
