//! From demands to what a setup will come to. The knee follows from the utilisation law. Three things no
//! law tells; they are taken from setups that are known: how much each tier gets out of its CPU
//! ([`super::efficiency`]), up to which share of the knee an SLO is kept, and what of a page's time is not
//! CPU. Intervals are as wide as what was known has missed by.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};

use super::{
    CLASSES, Fitted, Sample, demands,
    efficiency::{Curve, Efficiency, Knee, Line, measured_per_cpu, per_cpu},
    network::{Machine, Setting},
};
use crate::{
    fleet::budget::Budget,
    model::{law::Law, network, regression::non_negative},
    record::Arm,
    scaling::{Mix, Setup, Stage, Step, Trial},
    stats::{Estimate, rounded},
};

/// The rates at which the time of a page is predicted, as shares of the knee. The upper one leaves room: a
/// knee that was said too high by a quarter still leaves it below 80 % of the true one.
pub const LOADS: [f64; 2] = [0.4, 0.6];

/// Draws for the intervals of demands.
const DRAWS: u32 = 1_000;

/// Requests of one simulation, while the delay is looked for and for a prediction.
const REQUESTS: [usize; 2] = [2_400, 4_000];

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
    /// What will be busy first: a role, or [`super::BESIDE`].
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
    efficiency: Efficiency,
    latency: Line,
    delay_ms: [f64; CLASSES],
    /// Pages a second of one unit, and pages per CPU-second; and the curve through all units.
    unit: [f64; 2],
    law: Law,
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
    fn known(self, arm: Arm) -> impl Iterator<Item = Known<'a>> + Clone {
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
    fn sampled(self, arm: Arm) -> impl Iterator<Item = (Setting<'a>, &'a Step)> + Clone {
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

impl Shown {
    fn of(facts: Facts<'_>, machine: Machine<'_>, arm: Arm) -> Option<Self> {
        let known = facts.known(arm).map(|it| (it.setting, it.step));
        let efficiency = Efficiency::of(&machine, known, facts.sampled(arm))?;
        let (mut goodputs, mut unit, mut points) = (Vec::new(), Vec::new(), Vec::new());
        for Known { setting, goodput, step } in facts.known(arm) {
            let stations = machine.stations(setting)?;
            let knee = efficiency.knee(&stations, setting.units)?;
            goodputs.push((setting.units, (goodput / knee.rate).ln()));
            let units = f64::from(setting.units);
            unit.push([goodput / units, measured_per_cpu(step, knee.tier)?]);
            points.push((units, goodput));
        }
        let mean = |of: usize| unit.iter().map(|it| it[of]).sum::<f64>() / unit.len() as f64;
        let law = Law::fit(&points, &vec![1; points.len()])?;
        let (delay_ms, latency) = delays(facts, machine, arm, &efficiency)?;
        Some(Self {
            goodput: Curve::of(&goodputs)?,
            efficiency,
            latency,
            delay_ms,
            unit: [mean(0), mean(1)],
            law,
        })
    }

    fn cell(&self, machine: Machine<'_>, setting: Setting<'_>, seed: u64) -> Option<Cell> {
        let Setting { arm, setup, units, mix } = setting;
        let Self { efficiency, .. } = self;
        let knee = efficiency.knee(&machine.stations(setting)?, units)?;
        let Knee { tier, station, rate: limit } = knee;
        let n = f64::from(units);
        let theory = per_cpu(station, machine.cores(setting, tier), limit);
        let loads = LOADS.into_iter().map(|share| {
            let rate = rounded(share * limit);
            let gain = |tier: &str| efficiency.gain(tier, &knee, units, share);
            let play = (REQUESTS[1], seed);
            let mean = machine.mean_ms(setting, rate, gain, self.delay_ms, play)?;
            Some(Load { rate, share, mean_ms: self.latency.around(units, share, mean) })
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
                model: efficiency.at_knee(tier)?.around(units, theory),
                linear: rounded(self.unit[1]),
                law: rounded(self.unit[1] * self.law.at(n) / (n * self.law.gamma)),
            },
            loads: loads.collect::<Option<_>>()?,
        })
    }
}

/// What of a page's time is neither CPU nor waiting for it, for each kind of page: what is left of the
/// samples' times when that has been simulated. And how far off the simulation is with it: pages come and
/// servers run less evenly than in it, which tells the more the busier they are.
fn delays(
    facts: Facts<'_>,
    machine: Machine<'_>,
    arm: Arm,
    efficiency: &Efficiency,
) -> Option<([f64; CLASSES], Line)> {
    let (mut rows, mut left, mut weights, mut all) = (vec![], vec![], vec![], vec![]);
    for (setting, step) in facts.sampled(arm) {
        let Some(measured) = step.mean_ms() else { continue };
        let Setting { units, mix, .. } = setting;
        let knee = efficiency.knee(&machine.stations(setting)?, units)?;
        let share = step.rate / knee.rate;
        let gain = |tier: &str| efficiency.gain(tier, &knee, units, share);
        let play = (REQUESTS[0], facts.seed.wrapping_add(all.len() as u64));
        let simulated = machine.mean_ms(setting, step.rate, gain, [0.0; CLASSES], play)?;
        rows.push(mix.shares());
        left.push(measured - simulated);
        weights.push(1.0 / (measured * measured));
        all.push((units, share, measured, simulated, mix.shares()));
    }
    // Where less than nothing is left there is no delay.
    let delay = non_negative(&rows, &left, &weights).unwrap_or_default();
    let off = all.iter().map(|(units, share, measured, simulated, shares)| {
        (*units, *share, (measured / (simulated + network::mixed(&delay, shares))).ln())
    });
    Some((delay, Line::of(&off.collect::<Vec<_>>())?))
}
