//! Experiments that look for the best way to spend a budget of CPU: how many replicas of how much,
//! and in the split how much for which tier. What is compared is goodput, the highest rate at which
//! an SLO is kept, of setups that have exactly the same budget.
//!
//! Every arm gets the same number of tuning trials: one for each of its setups, then more for the better
//! half of these (successive halving, stopped after one step). The best setup of each then goes on to
//! trials of its own, and these alone are what the verdicts rest on: the highest of several noisy figures
//! is too high, and is never taken for a result.
//! Beside that, the setups that were found best are tried with one to several units of the budget.
//!
//! Then [`crate::capacity`] predicts what setups and mixes come to that were not tried yet, and they are.
//!
//! On a mix with jobs every arm has other setups, with workers among them, and a rate is kept only where
//! the jobs are done in time, too (`labour`).
//!
//! Here is the design as plain data, `search` looks for one goodput, `trial` is what one such search
//! leaves behind, `measure` carries all of it out. [`crate::judge`] says what it comes to. `composed` makes
//! the same searches on a running composition, with more and more containers of one server at a time.

mod beside;
mod composed;
mod foretelling;
mod labour;
pub(crate) mod measure;
mod search;
mod setups;
mod shift;
pub(crate) mod steps;
mod trial;
mod trials;
mod with_jobs;

use anyhow::bail;
use serde::{Deserialize, Serialize};

pub(crate) use self::foretelling::calls;
#[cfg(test)]
pub(crate) use self::trial::tests::step as step_of;
pub use self::{
    composed::measure_composition,
    foretelling::PREDICTIONS,
    labour::Jobs,
    measure::measure,
    search::Search,
    setups::{frontend_share, ladder, monoliths, splits},
    shift::{Reaction, Shift, Shifting},
    trial::{Done, Goodput, Server, Stage, Step, Tier, Trial},
    with_jobs::{monoliths_with_jobs, splits_with_jobs},
};
use crate::{
    capacity::Modelled,
    fleet::{
        budget::Budget,
        quota::{Enforcement, Millicores},
        topology::Topology,
    },
    record::Arm,
    relay::{Balancing, Policy},
};

/// The arms: the second is the first once more, searched as independently as the third.
pub const ARMS: [Arm; 3] = [Arm::Monolith, Arm::Twin, Arm::Split];

/// What visitors ask for, in proportion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// What it is called.
    pub name: String,
    /// Home pages.
    pub home: usize,
    /// For so many article pages.
    pub article: usize,
    /// Jobs that they bring along, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Jobs>,
}

/// One way to spend a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Its servers; also its name.
    pub topology: Topology,
    /// Who of several replicas gets the next request.
    pub policy: Policy,
}

/// The ways to spend the budget that a search tries: as many of either architecture.
#[derive(Clone, Debug)]
pub struct Ways {
    /// The monolith's setups, and its twin's.
    pub monoliths: Vec<Setup>,
    /// The split's.
    pub splits: Vec<Setup>,
}

/// Everything that is measured.
#[derive(Clone, Debug)]
pub struct Scaling {
    /// What visitors ask for, one search after the other. Of mixes with jobs there is a search alone.
    pub mixes: Vec<Mix>,
    /// What every setup of the search has in all.
    pub budget: Budget,
    /// One unit of the ladder: what one more replica may have.
    pub unit: Budget,
    /// How many units are tried.
    pub units: Vec<u32>,
    /// What is tried on mixes of pages alone.
    pub ways: Ways,
    /// What is tried on mixes with jobs.
    pub ways_with_jobs: Ways,
    /// Rounds before one of an arm's ways is chosen: the first with all of them, the others with the better
    /// half.
    pub tuning: u32,
    /// How often those that were chosen are tried after that.
    pub confirming: u32,
    /// How often each step of the ladder is tried.
    pub climbing: u32,
    /// What is predicted, and from what.
    pub foretelling: Foretelling,
    /// How the mix shifts under a division.
    pub shifting: Shifting,
    /// Rates that one search for a goodput tries.
    pub steps: u32,
    /// For how long each, seconds.
    pub seconds: f64,
    /// The same on mixes with jobs: time for several of these.
    pub seconds_with_jobs: f64,
    /// The ratio of goodputs, split to monolith, from which on scaling apart pays.
    pub pays: f64,
}

/// What is predicted, and from what.
#[derive(Clone, Debug)]
pub struct Foretelling {
    /// So many of the first of [`Scaling::units`] are known when the rest is predicted.
    pub known: usize,
    /// Mixes of which nothing is known.
    pub mixes: Vec<Mix>,
    /// Random mixes at moderate rates that each known number of units is asked for.
    pub samples: u32,
    /// How long each of these is played, seconds.
    pub seconds: f64,
    /// How long each rate is played at which the time of a page was predicted, seconds: longer, since the
    /// mean of few seconds hangs on a moment in which much came at once.
    pub seconds_at_times: f64,
    /// How often each prediction is tried.
    pub rounds: u32,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What visitors asked for.
    pub mixes: Vec<Mix>,
    /// What every setup of the search had in all.
    pub budget: Budget,
    /// One unit of the ladder.
    pub unit: Budget,
    /// Every setup that was tried.
    pub setups: Vec<Setup>,
    /// What kept the servers to it, tried out before; absent for containers, whose limits are Docker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// Which balancer stood in front of replicas.
    pub balancing: Balancing,
    /// Every trial in the order in which it was measured; none is ever left out.
    pub trials: Vec<Trial>,
    /// What was predicted between them.
    #[serde(default)]
    pub modelled: Modelled,
    /// What became of divisions when the mix shifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<Shift>,
}

impl Setup {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.topology.name
    }
}

impl Ways {
    /// Of both architectures.
    pub fn all(&self) -> impl Iterator<Item = &Setup> {
        self.monoliths.iter().chain(&self.splits)
    }

    /// How many trials so many tuning rounds with all arms have.
    fn trials(&self, rounds: u32) -> usize {
        let of_arm = |all: usize| match rounds as usize {
            0 => 0,
            rounds => all + (rounds - 1) * better_half(all),
        };
        2 * of_arm(self.monoliths.len()) + of_arm(self.splits.len())
    }
}

/// How many of so many setups are tried on.
fn better_half(setups: usize) -> usize {
    setups.div_ceil(2)
}

impl Scaling {
    /// The setups of an arm that are tried on a mix.
    pub fn setups(&self, arm: Arm, mix: &Mix) -> &[Setup] {
        let ways = if mix.jobs.is_some() { &self.ways_with_jobs } else { &self.ways };
        if arm == Arm::Split { &ways.splits } else { &ways.monoliths }
    }

    /// The mixes of pages alone: only these are climbed on, shifted between and predicted.
    pub fn mixes_of_pages(&self) -> impl Iterator<Item = &Mix> {
        self.mixes.iter().filter(|mix| mix.jobs.is_none())
    }

    /// The first two of these, where there are two: between them the mix shifts.
    pub fn shifting_mixes(&self) -> Option<[&Mix; 2]> {
        let mut mixes = self.mixes_of_pages();
        Some([mixes.next()?, mixes.next()?])
    }

    /// For how long a rate of a mix is tried, seconds.
    pub fn seconds_of(&self, mix: &Mix) -> f64 {
        if mix.jobs.is_some() { self.seconds_with_jobs } else { self.seconds }
    }

    /// How many searches for a goodput there are: on mixes of pages alone, on mixes with jobs, and of
    /// what was predicted.
    pub fn searches(&self) -> [usize; 3] {
        let pages = self.mixes_of_pages().count();
        let confirming = self.confirming as usize * ARMS.len();
        let (known, unknown) = self.known_units();
        let climbing = self.climbing as usize * 2 * known.len();
        let tuning = |ways: &Ways| ways.trials(self.tuning);
        let Foretelling { mixes, rounds, .. } = &self.foretelling;
        let cells = 2 * (pages * unknown.len() + mixes.len() * self.units.len());
        [
            pages * (tuning(&self.ways) + confirming + climbing),
            (self.mixes.len() - pages) * (tuning(&self.ways_with_jobs) + confirming),
            *rounds as usize * cells,
        ]
    }

    /// How many trials there are in all.
    pub fn trials(&self) -> u64 {
        let searches: usize = self.searches().iter().sum();
        let shifts = self.shifting_mixes().map_or(0, |_| 3 * self.shifting.rounds as usize);
        (searches + shifts + 2 * self.known_units().0.len()) as u64
    }

    /// The numbers of units that predictions are made from, and those that are predicted.
    pub fn known_units(&self) -> (&[u32], &[u32]) {
        self.units.split_at(self.foretelling.known.min(self.units.len()))
    }

    /// The most that anything here needs.
    pub fn largest(&self) -> Budget {
        let units = self.units.iter().max().copied().unwrap_or_default();
        Budget {
            cpu: self.budget.cpu.max(Millicores(self.unit.cpu.0 * units)),
            memory_mib: self.budget.memory_mib.max(self.unit.memory_mib * units),
            db_connections: self.budget.db_connections.max(self.unit.db_connections * units),
        }
    }
}

impl Measured {
    /// The trials of one arm that count, in one stage, on one mix.
    pub fn trials(&self, stage: Stage, mix: &str, arm: Arm) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(move |trial| trial.is(stage, mix, arm))
    }

    /// The setup with the highest mean goodput in an arm's tuning trials, of those that were tried to the
    /// end. Of equals, the first.
    pub fn best(&self, mix: &str, arm: Arm, slo_ms: f64) -> Option<&Setup> {
        Self::ranked(&self.setups, &self.trials, mix, arm, slo_ms).into_iter().next()
    }

    /// The setups that came to a goodput in an arm's last tuning round so far, best first.
    fn ranked<'a>(
        setups: &'a [Setup],
        trials: &[Trial],
        mix: &str,
        arm: Arm,
        slo_ms: f64,
    ) -> Vec<&'a Setup> {
        let tuning = || trials.iter().filter(|trial| trial.is(Stage::Tuning, mix, arm));
        let last = tuning().map(|trial| trial.round).max();
        let mean = |setup: &Setup| {
            let tried = || tuning().filter(|trial| trial.setup == setup.name());
            tried().find(|trial| Some(trial.round) == last)?;
            let found: Vec<f64> =
                tried().filter_map(|trial| trial.goodput(slo_ms).found()).collect();
            (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
        };
        let mut ranked: Vec<_> =
            setups.iter().filter_map(|setup| Some((setup, mean(setup)?))).collect();
        // Stable: equals stay in their order.
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.into_iter().map(|(setup, _)| setup).collect()
    }

    /// The setup of that name.
    pub fn setup(&self, name: &str) -> Option<&Setup> {
        self.setups.iter().find(|setup| setup.name() == name)
    }
}

/// After so many void trials in a row, something is wrong that will not pass.
const HOPELESS: usize = 6;

/// Whether to go on after these trials, given why each was void, if it was.
///
/// # Errors
/// When the last ones all were: the reason of the very last.
pub(crate) fn worth_going_on<'a>(
    void: impl DoubleEndedIterator<Item = Option<&'a str>>,
) -> anyhow::Result<()> {
    let void: Vec<&str> = void.rev().map_while(|void| void).take(HOPELESS).collect();
    match void[..] {
        [last, ..] if void.len() == HOPELESS => {
            bail!("the last {HOPELESS} trials came to nothing, the last one because {last}")
        }
        _ => Ok(()),
    }
}
