//! From demands to what a setup will come to. The knee follows from the utilisation law. Three things no
//! law tells; they are taken from setups that are known: by how much each tier takes less for a page when
//! it has more to do, and more when it shares its core with more servers; up to which share of the knee an
//! SLO is kept; and what of a page's time is not CPU. Between two known numbers of units the first two lie
//! on a straight line, and beyond all of them they stay as they are at the nearest. Intervals are as wide
//! as what was known has missed by.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};

use super::{
    BESIDE, CLASSES, Fitted, Sample, demands,
    network::{Machine, Setting},
};
use crate::{
    fleet::{budget::Budget, quota::Cpu},
    model::{
        law::Law,
        network::{self, Station},
        regression::non_negative,
    },
    record::Arm,
    scaling::{Mix, Setup, Stage, Step, Trial},
    stats::{Estimate, rounded, student_t},
};

/// The rates at which the time of a page is predicted, as shares of the knee.
pub const LOADS: [f64; 2] = [0.4, 0.7];

/// With what probability a prediction's interval claims to hold what will be measured.
const CONFIDENCE: f64 = 0.90;

/// Draws for the intervals of demands.
const DRAWS: u32 = 1_000;

/// Requests of one simulation, while the delay is looked for and for a prediction.
const REQUESTS: [usize; 2] = [600, 4_000];

/// Everything that is predicted, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Demands.
    pub fitted: Fitted,
    /// One setup on one mix each.
    pub cells: Vec<Cell>,
}

/// What one setup will come to on one mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The system.
    pub arm: Arm,
    /// The setup's name.
    pub setup: String,
    /// Units of the budget.
    pub units: u32,
    /// What visitors ask for.
    pub mix: Mix,
    /// What will be busy first: a role, or [`BESIDE`].
    pub binds: String,
    /// Pages a second within the SLO.
    pub goodput: Predicted,
    /// Pages at the goodput for each CPU-second that this tier was given.
    pub per_cpu: Predicted,
    /// Mean times of a page.
    pub loads: Vec<Load>,
}

/// A prediction and its rivals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// From demands, with the 90 % interval.
    pub model: Estimate,
    /// As many times what one unit does as there are units.
    pub linear: f64,
    /// By the Universal Scalability Law alone.
    pub law: f64,
}

/// A rate, and how long a page takes there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Pages a second.
    pub rate: f64,
    /// The same as a share of the knee.
    pub share: f64,
    /// Mean time, milliseconds, with the 90 % interval.
    pub mean_ms: Estimate,
}

/// What is known of a run.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Moderate rates of random mixes.
    pub samples: &'a [Sample],
    /// Every setup.
    pub setups: &'a [Setup],
    /// Trials, of which the goodputs of [`Stage::Climbing`] are taken.
    pub trials: &'a [Trial],
    /// The mixes of these trials.
    pub mixes: &'a [Mix],
    /// One unit of the budget.
    pub unit: Budget,
    /// p99 of latency that the goodput has to keep, milliseconds.
    pub slo_ms: f64,
    /// Cores of database, generator and balancers.
    pub load_cores: usize,
    /// Calls from frontend to backend for each kind of page.
    pub calls: [f64; CLASSES],
    /// Of everything that is left to chance.
    pub seed: u64,
}

/// A goodput that is known.
#[derive(Clone, Copy, Debug)]
struct Known<'a> {
    setting: Setting<'a>,
    goodput: f64,
    /// The highest rate that kept the SLO.
    step: &'a Step,
}

/// What an arm has shown.
struct Shown {
    goodput: Curve,
    /// At the goodput.
    busy: Gains,
    /// At moderate rates.
    moderate: Gains,
    latency: Curve,
    delay_ms: [f64; CLASSES],
    /// Pages a second of one unit, and pages per CPU-second; and the curve through all units.
    unit: [f64; 2],
    law: Law,
}

/// By tier: pages per CPU-second, and what its demand says of them.
type Gains = BTreeMap<&'static str, Curve>;

/// By what factor measurements differ from a model, on the logarithm.
#[derive(Clone, Debug)]
struct Curve {
    /// Numbers of units, from low to high, with the mean there.
    means: Vec<(f64, f64)>,
    /// Around these means.
    spread: f64,
    /// Measurements behind it.
    n: usize,
}

/// Predicts what becomes of these settings. `None` where too little is known.
pub fn predict(facts: Facts<'_>, settings: &[Setting<'_>]) -> Option<Predictions> {
    let fitted = demands(facts.samples, facts.seed, DRAWS)?;
    let Facts { load_cores, calls, .. } = facts;
    let machine = Machine { fitted: &fitted, load_cores, calls };
    let mut shown: BTreeMap<Arm, Shown> = BTreeMap::new();
    let mut cells = Vec::new();
    for (number, setting) in settings.iter().enumerate() {
        let shown = match shown.entry(setting.arm) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Shown::of(facts, machine, setting.arm)?),
        };
        let seed = facts.seed.wrapping_add(1_000 + number as u64);
        cells.push(shown.cell(machine, *setting, seed)?);
    }
    Some(Predictions { fitted, cells })
}

impl<'a> Facts<'a> {
    /// The goodputs that are known of an arm.
    fn known(self, arm: Arm) -> impl Iterator<Item = Known<'a>> {
        let counted = move |trial: &&Trial| {
            trial.arm == arm && trial.stage == Stage::Climbing && trial.void.is_none()
        };
        self.trials.iter().filter(counted).filter_map(move |trial| {
            let setup = self.setups.iter().find(|setup| setup.name() == trial.setup)?;
            let mix = self.mixes.iter().find(|mix| mix.name == trial.mix)?;
            let units = units(setup, self.unit);
            Some(Known {
                setting: Setting { arm, setup, units, mix },
                goodput: trial.goodput(self.slo_ms).found()?,
                step: trial.at_goodput(self.slo_ms)?,
            })
        })
    }

    /// The samples of an arm that count.
    fn sampled(self, arm: Arm) -> impl Iterator<Item = (Setting<'a>, &'a Step)> {
        let counted = move |it: &&Sample| it.arm == arm && it.step.void.is_none();
        self.samples.iter().filter(counted).filter_map(
            move |Sample { setup, mix, step, .. }| {
                let setup = self.setups.iter().find(|known| known.name() == setup)?;
                let units = units(setup, self.unit);
                Some((Setting { arm, setup, units, mix }, step))
            },
        )
    }
}

/// How many units of the budget a setup has.
pub fn units(setup: &Setup, unit: Budget) -> u32 {
    Budget::of(&setup.topology).cpu.0 / unit.cpu.0.max(1)
}

/// What is busy first, and the rate at which it is, where each tier takes as much for a page as it was
/// seen to take when there was much to do.
fn knee(
    stations: &[(&'static str, Station)],
    busy: &Gains,
    units: u32,
) -> Option<(&'static str, Station, f64)> {
    let seen = |(tier, it): &(&'static str, Station)| Station {
        demand: it.demand / gain(busy, tier, units),
        ..*it
    };
    let bare: Vec<Station> = stations.iter().map(seen).collect();
    let (name, station) = stations[network::bottleneck(&bare)?];
    Some((name, station, network::knee(&bare)))
}

/// What a tier gets out of its CPU, by what was seen of it.
fn gain(gains: &Gains, tier: &str, units: u32) -> f64 {
    gains.get(tier).map_or(1.0, |seen| seen.at(units).exp())
}

/// Pages for each CPU-second of a tier, at this rate: with what it uses anyway.
fn per_cpu(station: Station, cores: f64, rate: f64) -> f64 {
    rate / (rate * station.demand + (cores - station.capacity))
}

/// Pages for each CPU-second that a tier was given in a step.
pub fn measured_per_cpu(step: &Step, tier: &str) -> Option<f64> {
    let ms = if tier == BESIDE { step.cpu_of(false) } else { step.tiers.get(tier)?.cpu_ms };
    (ms > 0.0).then(|| step.completed as f64 / (ms / 1e3))
}

impl Machine<'_> {
    /// What each tier got out of its CPU in these steps.
    fn gains<'a>(&self, steps: impl Iterator<Item = (Setting<'a>, &'a Step)>) -> Option<Gains> {
        let mut logs: BTreeMap<&'static str, Vec<(u32, f64)>> = BTreeMap::new();
        for (setting, step) in steps {
            for (tier, station) in self.stations(setting)? {
                let theory = per_cpu(station, self.cores(setting, tier), step.rate);
                let log = (measured_per_cpu(step, tier)? / theory).ln();
                logs.entry(tier).or_default().push((setting.units, log));
            }
        }
        logs.into_iter().map(|(tier, logs)| Some((tier, Curve::of(&logs)?))).collect()
    }

    /// CPU of a tier, cores, before what it uses anyway.
    fn cores(&self, setting: Setting<'_>, tier: &str) -> f64 {
        let of = setting.setup.topology.tiers.iter().find(|it| it.role.name() == tier);
        of.map_or(self.load_cores as f64, |tier| match tier.cpu {
            Cpu::Quota(each) => each.cores() * f64::from(tier.replicas),
            Cpu::Weight(_) => f64::NAN,
        })
    }
}

impl Shown {
    fn of(facts: Facts<'_>, machine: Machine<'_>, arm: Arm) -> Option<Self> {
        let busy = machine.gains(facts.known(arm).map(|it| (it.setting, it.step)))?;
        let moderate = machine.gains(facts.sampled(arm))?;
        let (mut goodputs, mut unit, mut points) = (Vec::new(), Vec::new(), Vec::new());
        for Known { setting, goodput, step } in facts.known(arm) {
            let (tier, _, limit) = knee(&machine.stations(setting)?, &busy, setting.units)?;
            goodputs.push((setting.units, (goodput / limit).ln()));
            let units = f64::from(setting.units);
            unit.push([goodput / units, measured_per_cpu(step, tier)?]);
            points.push((units, goodput));
        }
        let mean = |of: usize| unit.iter().map(|it| it[of]).sum::<f64>() / unit.len() as f64;
        let law = Law::fit(&points, &vec![1; points.len()])?;
        let (delay_ms, latency) = delays(facts, machine, arm, &moderate)?;
        Some(Self {
            goodput: Curve::of(&goodputs)?,
            busy,
            moderate,
            latency,
            delay_ms,
            unit: [mean(0), mean(1)],
            law,
        })
    }

    fn cell(&self, machine: Machine<'_>, setting: Setting<'_>, seed: u64) -> Option<Cell> {
        let Setting { arm, setup, units, mix } = setting;
        let (tier, station, limit) = knee(&machine.stations(setting)?, &self.busy, units)?;
        let n = f64::from(units);
        let theory = per_cpu(station, machine.cores(setting, tier), limit);
        let loads = LOADS.into_iter().map(|share| {
            let rate = rounded(share * limit);
            let gain = |tier: &str| gain(&self.moderate, tier, units);
            let play = (REQUESTS[1], seed);
            let mean = machine.mean_ms(setting, rate, gain, self.delay_ms, play)?;
            Some(Load { rate, share, mean_ms: self.latency.around(units, mean) })
        });
        Some(Cell {
            arm,
            setup: setup.name().to_owned(),
            units,
            mix: mix.clone(),
            binds: tier.to_owned(),
            goodput: Predicted {
                model: self.goodput.around(units, limit),
                linear: rounded(n * self.unit[0]),
                law: rounded(self.law.at(n)),
            },
            per_cpu: Predicted {
                model: self.busy.get(tier)?.around(units, theory),
                linear: rounded(self.unit[1]),
                law: rounded(self.unit[1] * self.law.at(n) / (n * self.law.gamma)),
            },
            loads: loads.collect::<Option<_>>()?,
        })
    }
}

/// What of a page's time is neither CPU nor waiting for it, for each kind of page: what is left of the
/// samples' times when that has been simulated. And how far off the simulation is with it.
fn delays(
    facts: Facts<'_>,
    machine: Machine<'_>,
    arm: Arm,
    moderate: &Gains,
) -> Option<([f64; CLASSES], Curve)> {
    let (mut rows, mut left, mut weights, mut all) = (vec![], vec![], vec![], vec![]);
    for (setting, step) in facts.sampled(arm) {
        let Some(measured) = step.mean_ms() else { continue };
        let Setting { units, mix, .. } = setting;
        let gain = |tier: &str| gain(moderate, tier, units);
        let play = (REQUESTS[0], facts.seed.wrapping_add(all.len() as u64));
        let simulated = machine.mean_ms(setting, step.rate, gain, [0.0; CLASSES], play)?;
        rows.push(mix.shares());
        left.push(measured - simulated);
        weights.push(1.0 / (measured * measured));
        all.push((units, measured, simulated, mix.shares()));
    }
    // Where less than nothing is left there is no delay.
    let delay = non_negative(&rows, &left, &weights).unwrap_or_default();
    let off = all.iter().map(|(units, measured, simulated, shares)| {
        (*units, (measured / (simulated + network::mixed(&delay, shares))).ln())
    });
    Some((delay, Curve::of(&off.collect::<Vec<_>>())?))
}

impl Curve {
    /// Of measurements, each with its number of units. `None` where no two have the same number: then
    /// nothing says how much they scatter.
    fn of(logs: &[(u32, f64)]) -> Option<Self> {
        let mut at: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (units, log) in logs {
            at.entry(*units).or_default().push(*log);
        }
        let freedom = logs.len().checked_sub(at.len()).filter(|left| *left > 0)?;
        let mut squares = 0.0;
        let means = at.iter().map(|(units, logs)| {
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            squares += logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
            (f64::from(*units), mean)
        });
        let means = means.collect();
        Some(Self { means, spread: (squares / freedom as f64).sqrt(), n: logs.len() })
    }

    /// At so many units.
    fn at(&self, units: u32) -> f64 {
        let x = f64::from(units);
        let after = self.means.partition_point(|(at, _)| *at < x);
        match (after.checked_sub(1).map(|before| self.means[before]), self.means.get(after)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
            (Some((_, y)), None) | (None, Some(&(_, y))) => y,
            (None, None) => 0.0,
        }
    }

    /// What the next measurement will be where a model says `theory`: the textbook's prediction interval
    /// for one more of `n` (Davison & Hinkley 1997, §6.3.3), where as many are behind each mean.
    fn around(&self, units: u32, theory: f64) -> Estimate {
        let (n, groups) = (self.n, self.means.len());
        let more = (1.0 + groups as f64 / n as f64).sqrt();
        let half = student_t(CONFIDENCE, n - groups) * self.spread * more;
        let middle = theory.ln() + self.at(units);
        let of = |log: f64| rounded(log.exp());
        Estimate { value: of(middle), low: of(middle - half), high: of(middle + half) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_known_units_is_a_straight_line_and_beyond_them_what_is_nearest() {
        let logs = [(4, 0.5), (1, 0.1), (1, 0.3), (4, 0.7), (2, -0.1), (2, 0.1)];
        let curve = Curve::of(&logs).unwrap();
        let at = |units| curve.at(units);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(at(1), 0.2) && close(at(2), 0.0) && close(at(4), 0.6), "{curve:?}");
        assert!(close(at(3), 0.3) && close(at(9), 0.6), "{curve:?}");
        // Each is 0.1 from its mean, and six say so of three means.
        assert!(close(curve.spread, (6.0 * 0.01 / 3.0_f64).sqrt()), "{curve:?}");
        let around = curve.around(3, 10.0);
        assert!(around.low < around.value && around.value < around.high, "{around:?}");
        assert!((around.value - 10.0 * 0.3_f64.exp()).abs() < 1e-3, "{around:?}");
    }

    #[test]
    fn one_measurement_of_each_number_of_units_says_nothing_of_their_scatter() {
        assert!(Curve::of(&[(1, 0.1), (2, 0.2)]).is_none() && Curve::of(&[]).is_none());
    }
}
