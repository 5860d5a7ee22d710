//! What jobs in several places did to pages: estimates from rounds, drawn again as everywhere, and
//! what theory says beside them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    LAG_LIMIT_MS, REQUESTS_FOR_P99,
    controls::confidence_of,
    interfered::{Asked, Cell, Curve, Interfered, Point, Rule},
    places,
    scaled::Remark,
    select::suspicion,
    summary::{Certificate, Finding, Verdict},
};
use crate::{
    experiments::x5,
    grid::Bound,
    jobs::{Interference, Job, Measured, Place, Slice, Trial, model::Busy},
    record::{Arm, Run},
    scaling::Step,
    stats::{Estimate, Merged, Resamples, rounded, weighted_mean},
};

/// Where jobs would run without any: what all others are compared with.
const PLAIN: Place = Place::Inside;

/// How many loads theory is asked for.
const STEPS: u32 = 20;

/// Everything that was judged.
pub(super) struct Judged {
    pub(super) interfered: Interfered,
    pub(super) certificate: Certificate,
    pub(super) verdicts: Vec<Verdict>,
}

/// What all parts of the judgement need.
struct Bench<'a> {
    run: &'a Run,
    measured: &'a Measured,
    slo_ms: f64,
    resamples: u32,
}

/// One group at one load, by round.
type Rounds<'a> = BTreeMap<u32, &'a Slice>;

/// Judges a run.
pub(super) fn judge(
    run: &Run,
    measured: &Measured,
    design: Interference,
    slo_ms: f64,
    resamples: u32,
) -> Judged {
    let bench = Bench { run, measured, slo_ms, resamples };
    let design = match run.composition {
        None => design,
        Some(_) => design.in_composition(),
    };
    let cells: BTreeSet<(Arm, Place, Job, u32)> = design
        .groups
        .iter()
        .flat_map(|group| group.loads.iter().map(|load| (group.arm, group.place, group.job, *load)))
        .filter(|(arm, ..)| matches!(arm, Arm::Monolith | Arm::Split))
        .collect();
    let rules = bench.rules(&cells, design.headline);
    let confidence = confidence_of(2);
    let certificate = bench.certificate(design.headline, confidence);
    let verdicts = places::verdicts(run, &rules, &certificate);
    let cells: Vec<Cell> = cells.into_iter().map(|cell| bench.cell(cell)).collect();
    let curves = bench.curves(&cells, design.headline);
    let interfered = Interfered {
        rate: measured.rate,
        headline: design.headline,
        cells,
        rules,
        curves,
        void_trials: bench.remarks(|trial, put| put(None, trial.void.clone())),
        void_slices: bench.remarks(|trial, put| {
            trial.slices.iter().for_each(|slice| put(Some(slice.load), slice.void().cloned()));
        }),
        flagged: bench.remarks(|trial, put| {
            trial.slices.iter().for_each(|slice| put(Some(slice.load), doubt(slice)));
        }),
        trials: measured.trials.len(),
    };
    Judged { interfered, certificate, verdicts }
}

impl<'a> Bench<'a> {
    fn rounds(&self, arm: Arm, place: Place, job: Job, load: u32) -> Rounds<'a> {
        self.measured.slices((arm, place, job), load).collect()
    }

    /// Without jobs, on the whole core; in a composition, where an architecture has one place for jobs,
    /// in that.
    fn plain(&self, arm: Arm, job: Job) -> Rounds<'a> {
        let place = match self.run.composition {
            None => PLAIN,
            Some(_) => Place::in_composition(arm),
        };
        self.rounds(arm, place, job, 0)
    }

    fn cell(&self, (arm, place, job, load): (Arm, Place, Job, u32)) -> Cell {
        let rounds = self.rounds(arm, place, job, load);
        let slices: Vec<&Slice> = rounds.values().copied().collect();
        let pairs = pairs(&self.plain(arm, job), &rounds);
        let mean = |of: fn(&Slice) -> Option<f64>| {
            let all: Vec<f64> = slices.iter().filter_map(|slice| of(slice)).collect();
            (!all.is_empty()).then(|| rounded(all.iter().sum::<f64>() / all.len() as f64))
        };
        Cell {
            arm,
            place,
            job,
            load,
            rounds: slices.len(),
            requests: slices.iter().map(|slice| slice.pages.scheduled).sum(),
            late: self.late(&slices),
            added: self.added(&pairs),
            p50: self.quantile(0.5, &slices),
            p99: enough(&slices).then(|| self.quantile(0.99, &slices)).flatten(),
            p99_ratio: self.ratio(0.99, &pairs, 0.95),
            worst_second: rounded(slices.iter().map(|it| it.worst_second()).fold(0.0, f64::max)),
            answer_ms: mean(|slice| slice.answer_ms),
            wait_ms: mean(|slice| slice.wait_ms),
            drained_ms: mean(|slice| Some(slice.drained_ms)).unwrap_or_default(),
        }
    }

    fn share(&self, slice: &Slice) -> f64 {
        slice.late(self.slo_ms) as f64 / slice.pages.scheduled.max(1) as f64
    }

    /// The mean of one number a round.
    fn mean(&self, values: &[f64]) -> Option<Estimate> {
        let resamples = Resamples::new(self.run.seed, values.len(), self.resamples);
        let [mean] = resamples.intervals(0.95, |weights| [weighted_mean(values, weights)])?;
        Some(mean)
    }

    fn late(&self, slices: &[&Slice]) -> Option<Estimate> {
        let shares: Vec<f64> = slices.iter().map(|slice| self.share(slice)).collect();
        let found = self.mean(&shares)?;
        Some(at_least_rare(found, slices).map(|share| rounded(share.clamp(0.0, 1.0))))
    }

    /// What is added to the share of late pages.
    fn added(&self, pairs: &[[&'a Slice; 2]]) -> Option<Estimate> {
        let added = |[plain, slice]: &[&Slice; 2]| self.share(slice) - self.share(plain);
        let found = self.mean(&pairs.iter().map(added).collect::<Vec<_>>())?;
        let slices: Vec<&Slice> = pairs.iter().map(|pair| pair[1]).collect();
        Some(at_least_rare(found, &slices).map(rounded))
    }

    fn quantile(&self, q: f64, slices: &[&Slice]) -> Option<Estimate> {
        let merged = Merged::new(slices.iter().map(|slice| vec![&slice.pages.latency]));
        let resamples = Resamples::new(self.run.seed, slices.len(), self.resamples);
        let at = |weights: &[u32]| [(merged.quantile(q, weights) / 1e3).ln()];
        let [found] = resamples.intervals(0.95, at)?;
        Some(found.map(|log| rounded(log.exp())))
    }

    /// A quantile as a multiple of the plain one's; p99 only from enough requests.
    fn ratio(&self, q: f64, pairs: &[[&'a Slice; 2]], confidence: f64) -> Option<Estimate> {
        let sides = [0, 1].map(|side| pairs.iter().map(|pair| pair[side]).collect::<Vec<_>>());
        if q > 0.5 && !sides.iter().all(|slices| enough(slices)) {
            return None;
        }
        let merged = sides
            .map(|slices| Merged::new(slices.into_iter().map(|slice| vec![&slice.pages.latency])));
        let resamples = Resamples::new(self.run.seed, pairs.len(), self.resamples);
        let at = |weights: &[u32]| {
            let [plain, beside] = [0, 1].map(|side: usize| merged[side].quantile(q, weights));
            [(beside / plain).ln()]
        };
        let [found] = resamples.intervals(confidence, at)?;
        Some(found.map(|log| rounded(log.exp())))
    }

    /// What each place is judged by: first all on late pages, then all on p99.
    fn rules(&self, cells: &BTreeSet<(Arm, Place, Job, u32)>, headline: Job) -> Vec<Rule> {
        let loaded = || cells.iter().filter(|cell| cell.2 == headline && cell.3 > 0);
        let found: BTreeSet<Place> = loaded().map(|cell| cell.1).collect();
        let mut rules = Vec::new();
        for asked in [Asked::Late, Asked::P99] {
            for place in found.iter().copied() {
                let at: Vec<(Arm, u32)> =
                    loaded().filter(|cell| cell.1 == place).map(|cell| (cell.0, cell.3)).collect();
                let finding = |(arm, load): &(Arm, u32)| {
                    let rounds = self.rounds(*arm, place, headline, *load);
                    self.finding(
                        asked,
                        place,
                        (*arm, *load),
                        &pairs(&self.plain(*arm, headline), &rounds),
                    )
                };
                rules.push(Rule { place, asked, findings: at.iter().map(finding).collect(), at });
            }
        }
        rules
    }

    fn finding(
        &self,
        asked: Asked,
        place: Place,
        (arm, load): (Arm, u32),
        pairs: &[[&'a Slice; 2]],
    ) -> Finding {
        let quiet: Vec<[&Slice; 2]> = pairs
            .iter()
            .filter(|pair| pair.iter().all(|slice| doubt(slice).is_none()))
            .copied()
            .collect();
        let found = |pairs: &[[&'a Slice; 2]]| match asked {
            Asked::Late => self.added(pairs),
            Asked::P99 => self.ratio(0.99, pairs, 0.95),
        };
        let (limit, unit, what) = match asked {
            Asked::Late => (x5::LATE, "share of pages", "share of late pages"),
            Asked::P99 => (x5::P99, "×", "p99"),
        };
        Finding {
            claim: format!("{}, {}, jobs at {load} %: {what}", arm.name(), place.name()),
            limit,
            bound: Bound::AtMost,
            unit: unit.to_owned(),
            rounds: pairs.len(),
            found: found(pairs),
            gated: (quiet.len() < pairs.len()).then(|| found(&quiet)).flatten(),
            quiet_rounds: quiet.len(),
        }
    }

    fn certificate(&self, job: Job, confidence: f64) -> Certificate {
        let plain = self.plain(Arm::Monolith, job);
        let ratio = |arm| {
            let pairs = pairs(&plain, &self.rounds(arm, PLAIN, job, 0));
            self.ratio(0.5, &pairs, confidence)
        };
        let slices: Vec<&Slice> = plain.values().copied().collect();
        let p50 = Merged::new(slices.iter().map(|slice| vec![&slice.pages.latency]));
        let p50_ms = p50.overall_quantile(0.5) / 1e3;
        let truth = 1.0 + self.measured.planted_ms / p50_ms;
        places::certificate([ratio(Arm::Twin), ratio(Arm::Waiting)], truth, confidence)
    }

    /// What theory says of the job that verdicts are about, from what pages cost without jobs.
    fn curves(&self, cells: &[Cell], job: Job) -> Vec<Curve> {
        let mut curves = Vec::new();
        if self.run.composition.is_some() {
            // Theory speaks of one core that pages and jobs share, and nobody else uses.
            return curves;
        }
        for arm in [Arm::Monolith, Arm::Split] {
            let of_job = || cells.iter().filter(|cell| (cell.arm, cell.job) == (arm, job));
            let most = of_job().map(|cell| cell.load).max().unwrap_or_default();
            let plain = of_job().find(|cell| (cell.place, cell.load) == (PLAIN, 0));
            let slices = self.plain(arm, job);
            let Some(plain) = plain.filter(|_| most > 0 && !slices.is_empty()) else { continue };
            let busy = |slice: &&Slice| slice.cpu_ms / (slice.pages.elapsed * 1e3);
            let pages = slices.values().map(busy).sum::<f64>() / slices.len() as f64;
            for place in [Place::EventLoop, Place::Inside] {
                if of_job().any(|cell| cell.place == place) {
                    let point = |step| self.point(place, plain, pages, job, most * step / STEPS);
                    curves.push(Curve { arm, place, points: (0..=STEPS).map(point).collect() });
                }
            }
        }
        curves
    }

    fn point(&self, place: Place, plain: &Cell, pages: f64, job: Job, load: u32) -> Point {
        let busy = Busy { pages, jobs: f64::from(load) / 100.0, job_ms: job.ms.into() };
        let [p50, p99] = [plain.p50, plain.p99].map(|found| found.map(|it| it.value));
        let (late, p99_ms) = match place {
            Place::EventLoop => {
                let waiting = || Some(busy.wait(0.99)? + p50?);
                (busy.waiting_longer(self.slo_ms), p99.and_then(|p99| Some(waiting()?.max(p99))))
            }
            _ => (None, p99.and_then(|p99| Some(p99 * busy.shared()?))),
        };
        Point { load, late: late.map(rounded), p99_ms: p99_ms.map(rounded) }
    }

    /// What there is to be known of trials and slices.
    fn remarks(
        &self,
        each: impl Fn(&Trial, &mut dyn FnMut(Option<u32>, Option<String>)),
    ) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for trial in &self.measured.trials {
            let Trial { round, arm, place, job, .. } = trial;
            let name = format!("round {round}, {}, {}, {}", arm.name(), place.name(), job.name());
            each(trial, &mut |load, why| {
                let at = load.map_or_else(String::new, |load| format!(" at {load} %"));
                remarks.extend(why.map(|why| Remark { trial: format!("{name}{at}"), why }));
            });
        }
        remarks
    }
}

/// The same rounds of both.
fn pairs<'a>(plain: &Rounds<'a>, beside: &Rounds<'a>) -> Vec<[&'a Slice; 2]> {
    let both = plain.iter().filter_map(|(round, plain)| Some([*plain, *beside.get(round)?]));
    both.collect()
}

/// Whether these hold enough requests for a p99.
fn enough(slices: &[&Slice]) -> bool {
    slices.iter().map(|slice| slice.pages.completed).sum::<u64>() >= REQUESTS_FOR_P99
}

/// Where nobody was late at all, rounds don't differ, and an interval from their spread is a point. But
/// of what did not happen in n cases it is only known that it happens in less than about 3 of n (the
/// rule of three: Hanley & Lippman-Hand 1983).
fn at_least_rare(found: Estimate, slices: &[&Slice]) -> Estimate {
    let visitors: u64 = slices.iter().map(|slice| slice.pages.scheduled).sum();
    Estimate { high: found.high.max(found.value + 3.0 / visitors.max(1) as f64), ..found }
}

/// Why a slice that counts is under suspicion, if it is.
fn doubt(slice: &Slice) -> Option<String> {
    let Step { foreign_cpu, steal, lag_p99_ms, .. } = &slice.pages;
    suspicion(foreign_cpu + steal, *lag_p99_ms, LAG_LIMIT_MS)
}

#[cfg(test)]
#[path = "interference_tests.rs"]
pub(super) mod tests;
