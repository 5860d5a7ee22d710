//! What one trial leaves behind, and when it counts: only if the jobs that were asked for were done,
//! with as much CPU as they are made of.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Job, Place};
use crate::{
    load::Visit,
    record::Arm,
    scaling::{Step, steps::Attempt},
};

/// How much less and how much more CPU jobs may use than they are made of, as a share of that. To bring
/// one about, to take it and to write down that it is done takes some as well; a job that was done twice
/// takes twice as much.
const CPU: (f64, f64) = (0.10, 0.50);

/// What may be off besides, as a share of what pages took: they don't take the same in every slice.
const PAGES: f64 = 0.20;

/// All loads of a group, one after the other, on freshly started servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Trials of the same round had the same visitors and times of jobs.
    pub round: u32,
    /// Which system.
    pub arm: Arm,
    /// Where its jobs ran.
    pub place: Place,
    /// What they did.
    pub job: Job,
    /// In the order in which they were measured.
    pub slices: Vec<Slice>,
    /// Why the trial counts for nothing, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

/// One load of jobs for some time, and visitors beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// What jobs were to take, per cent of a core.
    pub load: u32,
    /// Jobs that were brought about.
    pub jobs: u32,
    /// Jobs that were done, until there were no more.
    pub done: u64,
    /// What visitors saw, and everything observed meanwhile.
    pub pages: Step,
    /// Second by second of the visitors' time: whole ones only.
    pub seconds: Vec<Second>,
    /// CPU of all servers until the last job was done, milliseconds.
    pub cpu_ms: f64,
    /// For how long whoever brought a job about had to wait for the answer, milliseconds, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<f64>,
    /// From a job's creation to its beginning, milliseconds, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<f64>,
    /// From the last answer to a visitor until all jobs were seen to be done, milliseconds.
    pub drained_ms: f64,
    /// Why the slice counts for nothing, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

/// One second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Visitors who were due in it.
    pub due: u64,
    /// Those of them who had no right answer within the SLO.
    pub late: u64,
}

impl Slice {
    /// Why it counts for nothing, if it does.
    pub fn void(&self) -> Option<&String> {
        self.void.as_ref().or(self.pages.void.as_ref())
    }

    /// Visitors who had no right answer within `slo_ms`.
    pub fn late(&self, slo_ms: f64) -> u64 {
        let limit_us = slo_ms * 1e3;
        let in_time = self.pages.latency.0.iter().filter(|(us, _)| *us as f64 <= limit_us);
        self.pages.scheduled.saturating_sub(in_time.map(|(_, count)| count).sum())
    }

    /// The share of late visitors in the worst second.
    pub fn worst_second(&self) -> f64 {
        let share = |second: &Second| second.late as f64 / second.due.max(1) as f64;
        self.seconds.iter().map(share).fold(0.0, f64::max)
    }
}

impl Attempt for Slice {
    fn pages(&mut self) -> &mut Step {
        &mut self.pages
    }
}

impl Trial {
    /// Marks the slices in which the load that was asked for is not the load that was.
    pub(super) fn check(&mut self) {
        let quiet = self.slices.iter().find(|slice| slice.load == 0 && slice.void().is_none());
        let page = quiet.map(|it| it.cpu_ms / it.pages.completed.max(1) as f64);
        let job = self.job;
        for slice in self.slices.iter_mut().filter(|slice| slice.void().is_none()) {
            slice.void = contradiction(job, slice, page);
        }
    }

    /// Whether the trial counts, with a slice of each of these loads.
    pub(super) fn is_whole(&self, loads: &[u32]) -> bool {
        let counts = |load| self.slices.iter().any(|it| it.load == load && it.void().is_none());
        self.void.is_none() && loads.iter().copied().all(counts)
    }
}

/// Why a slice was not under the load that was asked for, if it was not. `page` is what a page costs
/// without jobs, milliseconds of CPU.
fn contradiction(job: Job, slice: &Slice, page: Option<f64>) -> Option<String> {
    if slice.done != u64::from(slice.jobs) {
        return Some(format!("{} of {} jobs were done", slice.done, slice.jobs));
    }
    if slice.jobs == 0 || !job.kind.computes() {
        return None;
    }
    let Some(page) = page else { return Some("nothing was measured without jobs".to_owned()) };
    let pages = page * slice.pages.completed as f64;
    let (asked, used) = (f64::from(slice.jobs * job.ms), slice.cpu_ms - pages);
    let (less, more) = CPU;
    let as_asked = (1.0 - less) * asked - PAGES * pages..=(1.0 + more) * asked + PAGES * pages;
    (!as_asked.contains(&used)).then(|| {
        format!(
            "{} jobs of {} ms used {used:.0} ms of CPU, as far as can be told beside the pages",
            slice.jobs, job.ms
        )
    })
}

/// Second by second, the whole ones of so many.
pub(super) fn by_second(visits: &[Visit], seconds: f64, slo_ms: f64) -> Vec<Second> {
    let Some(first) = visits.iter().map(|visit| visit.due).min() else { return Vec::new() };
    let limit = Duration::from_secs_f64(slo_ms / 1e3);
    let mut all: BTreeMap<u64, Second> = BTreeMap::new();
    for visit in visits {
        let second = all.entry((visit.due - first).as_secs()).or_default();
        second.due += 1;
        second.late += u64::from(visit.took.is_none_or(|took| took > limit));
    }
    let whole = seconds.floor().max(1.0) as u64;
    all.into_iter().filter(|(number, _)| *number < whole).map(|(_, second)| second).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{jobs::Kind, record::Histogram};

    pub(in crate::jobs) fn slice(jobs: u32, cpu_ms: f64) -> Slice {
        let pages = Step {
            rate: 500.0,
            seconds: 2.0,
            seed: 1,
            scheduled: 1_000,
            completed: 990,
            errors: BTreeMap::new(),
            latency: Histogram(vec![(2_000, 900), (50_000, 60), (51_000, 30)]),
            lag_p99_ms: 0.1,
            elapsed: 2.0,
            cpu_ms: BTreeMap::new(),
            resident_mib: BTreeMap::new(),
            tiers: BTreeMap::new(),
            foreign_cpu: 0.0,
            steal: 0.0,
            pressure: None,
            jobs: None,
            void: None,
        };
        Slice {
            load: jobs * 10,
            jobs,
            done: jobs.into(),
            pages,
            seconds: vec![Second { due: 500, late: 10 }, Second { due: 500, late: 100 }],
            cpu_ms,
            answer_ms: None,
            wait_ms: None,
            drained_ms: 0.0,
            void: None,
        }
    }

    #[test]
    fn who_got_no_answer_is_late_too() {
        assert_eq!(slice(0, 0.0).late(50.0), 40);
        assert!((slice(0, 0.0).worst_second() - 0.2).abs() < 1e-9);
    }

    #[test]
    fn a_slice_counts_only_under_the_load_that_was_asked_for() {
        let job = Job { kind: Kind::Cpu, ms: 300 };
        let (arm, place, void) = (Arm::Monolith, Place::Inside, None);
        let judged = |job: Job, with_jobs: Slice| {
            let slices = vec![with_jobs, slice(0, 495.0)];
            let mut trial = Trial { round: 0, arm, place, job, slices, void: void.clone() };
            trial.check();
            trial.slices.remove(0).void
        };
        assert_eq!(judged(job, slice(4, 495.0 + 1_200.0)), None);
        let why = judged(job, slice(4, 495.0 + 600.0)).unwrap();
        assert!(why.contains("4 jobs of 300 ms used 600 ms"), "{why}");
        assert!(judged(job, slice(4, 495.0 + 2_400.0)).is_some(), "twice is not once");
        assert_eq!(judged(Job { kind: Kind::Sleep, ms: 300 }, slice(4, 500.0)), None);
        let lost = Slice { done: 3, ..slice(4, 495.0 + 1_200.0) };
        assert_eq!(judged(job, lost).unwrap(), "3 of 4 jobs were done");
    }

    #[test]
    fn a_trial_is_whole_when_each_load_has_a_slice_that_counts() {
        let job = Job { kind: Kind::Cpu, ms: 300 };
        let disturbed = Slice { void: Some("the hypervisor".into()), ..slice(4, 0.0) };
        let slices = vec![slice(0, 0.0), disturbed];
        let (arm, place) = (Arm::Monolith, Place::Inside);
        let mut trial = Trial { round: 0, arm, place, job, slices, void: None };
        assert!(trial.is_whole(&[0]) && !trial.is_whole(&[0, 40]));
        trial.slices.push(slice(4, 0.0));
        assert!(trial.is_whole(&[0, 40]));
        trial.void = Some("a server died".into());
        assert!(!trial.is_whole(&[0]));
    }

    #[test]
    fn seconds_are_those_in_which_visitors_were_due() {
        let start = Instant::now();
        let visit = |at, took: Option<u64>| Visit {
            due: start + Duration::from_millis(at),
            took: took.map(Duration::from_millis),
        };
        let visits =
            [visit(1_100, Some(60)), visit(0, Some(50)), visit(900, None), visit(2_100, Some(1))];
        let seconds = by_second(&visits, 2.5, 50.0);
        assert_eq!(seconds, [Second { due: 2, late: 1 }, Second { due: 1, late: 1 }]);
    }
}
