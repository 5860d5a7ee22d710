//! What becomes of a division when visitors ask for something else: the mix shifts, and nobody divides
//! the CPU anew, or somebody does after a while. A monolith has nothing to divide.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Uri;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{
    Mix, Setup,
    beside::{self, Moment},
    trial::Tier,
    trials::Trials,
};
use crate::{
    fleet::deployment::Deployment,
    load::{Arrival, Tally, Target, poisson},
    probe,
    record::Arm,
    stats::rounded,
};

/// Rates of shifts, as a share of what the split was found to do on the mix on which it does less.
const LOAD: f64 = 0.92;

/// How a shift is played.
#[derive(Clone, Debug)]
pub struct Shifting {
    /// For how long the first mix is asked for, seconds.
    pub before: u32,
    /// When somebody divides anew, from the shift on, seconds.
    pub patience: u32,
    /// How long it goes on from then, seconds.
    pub after: u32,
    /// How often.
    pub rounds: u32,
}

/// What is done when the mix has shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// There is nothing to divide.
    Monolith,
    /// Nothing.
    Nobody,
    /// The CPU is divided as is best for the new mix.
    Divided,
}

impl Reaction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Monolith, Self::Nobody, Self::Divided];
}

/// One shift, on freshly started servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Shifts of one round were adjacent, and had the same visitors.
    pub round: u32,
    /// What was done.
    pub reaction: Reaction,
    /// The setup, best for the first mix.
    pub setup: String,
    /// What it was divided like from the reaction on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divided: Option<String>,
    /// The names of both mixes.
    pub mixes: [String; 2],
    /// Pages a second.
    pub rate: f64,
    /// When the mix shifted, seconds from the beginning.
    pub shifted: u32,
    /// When somebody did something, or would have.
    pub reacted: u32,
    /// Second by second, of the requests that were meant to start in it: how many, and how many were
    /// answered within the SLO.
    pub seconds: Vec<[u64; 2]>,
    /// Role → what its control groups say, of all of it.
    pub tiers: BTreeMap<String, Tier>,
    /// CPU used by anyone else on the machine, as a share of all cores.
    pub foreign_cpu: f64,
    /// The generator's own lateness, p99, milliseconds.
    pub lag_p99_ms: f64,
    /// Why it counts for nothing, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

impl Trials<'_> {
    /// Plays all shifts, from the first mix to the second. Where either is not there, nothing.
    pub(super) async fn shift(&mut self, bar: &ProgressBar) -> anyhow::Result<()> {
        let design = self.given.design;
        let Some(mixes) = design.shifting_mixes() else { return Ok(()) };
        let [first, second] = mixes;
        let best = |arm, mix| self.best(mix, arm);
        let (Some(monolith), Some(split), Some(other)) =
            (best(Arm::Monolith, first), best(Arm::Split, first), best(Arm::Split, second))
        else {
            return Ok(());
        };
        let found = |setup: &Setup, mix: &Mix| {
            self.last.get(&(mix.name.clone(), Arm::Split, setup.name().to_owned())).copied()
        };
        let (Some(a), Some(b)) = (found(&split, first), found(&other, second)) else {
            return Ok(());
        };
        let rate = rounded(LOAD * a.min(b));
        for round in 0..design.shifting.rounds {
            let seed = self.random();
            for reaction in Reaction::ALL {
                let setup = if reaction == Reaction::Monolith { &monolith } else { &split };
                let divided = (reaction == Reaction::Divided).then_some(&other);
                bar.set_message(format!("shift, {}", setup.name()));
                let played =
                    self.play_shift((round, reaction), setup, divided, mixes, (rate, seed));
                let name = format!("shift-{}", self.shifts.len());
                let played = self.given.ledger.part(&name, played).await?;
                self.shifts.push(played);
                bar.inc(1);
            }
        }
        Ok(())
    }

    async fn play_shift(
        &self,
        (round, reaction): (u32, Reaction),
        setup: &Setup,
        divided: Option<&Setup>,
        mixes: [&Mix; 2],
        (rate, seed): (f64, u64),
    ) -> anyhow::Result<Shift> {
        let design = self.given.design;
        let Shifting { before, patience, after, .. } = design.shifting;
        let mut shift = Shift {
            round,
            reaction,
            setup: setup.name().to_owned(),
            divided: divided.map(|setup| setup.name().to_owned()),
            mixes: mixes.map(|mix| mix.name.clone()),
            rate,
            shifted: before,
            reacted: before + patience,
            seconds: Vec::new(),
            tiers: BTreeMap::new(),
            foreign_cpu: 0.0,
            lag_p99_ms: 0.0,
            void: None,
        };
        let arm = if reaction == Reaction::Monolith { Arm::Monolith } else { Arm::Split };
        let name = format!("shift-{}", self.shifts.len());
        match self.start(arm, setup, None, &name).await {
            Ok(mut deployment) => {
                let visitors =
                    self.shifting_visitors(mixes, rate, seed, [before, patience + after]);
                let played = self.visit_while(&mut deployment, divided, &mut shift, visitors).await;
                let ended = deployment.stop().await;
                let failed = played.and(ended).err().map(|error| format!("{error:#}"));
                shift.void = failed.or(shift.void);
            }
            Err(error) => shift.void = Some(format!("{error:#}")),
        }
        Ok(shift)
    }

    /// All addresses of both mixes, and who asks for which when.
    fn shifting_visitors(
        &self,
        mixes: [&Mix; 2],
        rate: f64,
        seed: u64,
        [before, after]: [u32; 2],
    ) -> (Arc<[Uri]>, Vec<Arrival>) {
        let (_, visitors) = self.given.instrument;
        let [first, second] = mixes.map(|mix| visitors.mixed(mix.home, mix.article));
        let mut arrivals = poisson(rate, f64::from(before), seed, first.len());
        let later = poisson(rate, f64::from(after), seed.wrapping_add(1), second.len());
        let shifted = Duration::from_secs(u64::from(before));
        arrivals.extend(later.into_iter().map(|Arrival { at, address }| Arrival {
            at: at + shifted,
            address: first.len() + address,
        }));
        (first.iter().chain(&*second).cloned().collect(), arrivals)
    }

    async fn visit_while(
        &self,
        deployment: &mut Deployment,
        divided: Option<&Setup>,
        shift: &mut Shift,
        (paths, arrivals): (Arc<[Uri]>, Vec<Arrival>),
    ) -> anyhow::Result<()> {
        let first = &self.given.design.mixes[0];
        let steps = self.steps(deployment, first, 0.0, 0);
        let groups = deployment.divided();
        let reacted = Duration::from_secs(u64::from(shift.reacted));
        let watched = steps.at.watched();
        let target = Target { paths, ..steps.at.target.clone() };
        let times: Vec<Duration> = arrivals.iter().map(|arrival| arrival.at).collect();
        let work = async {
            steps.at.warm_up().await?;
            let used = steps.at.view.used()?;
            let (before, begun) = (probe::read(&watched)?, Moment::now());
            let react = async {
                let Some(setup) = divided else { return Ok(()) };
                sleep(reacted).await;
                Deployment::divide(&groups, &setup.topology)
            };
            let (tally, done) = tokio::join!(steps.at.generator.open(target, arrivals), react);
            done?;
            let usage = before.until(&probe::read(&watched)?);
            let tiers = beside::tiers(&used, &steps.at.view.used()?);
            anyhow::Ok((tally?, usage.foreign_cpu, tiers, begun.jump(Moment::now())))
        };
        let (tally, foreign_cpu, tiers, jump) = deployment.unless_one_dies(work).await?;
        shift.seconds = seconds(&times, &tally, self.slo_ms);
        shift.foreign_cpu = foreign_cpu;
        shift.lag_p99_ms = tally.lag.quantile_us(0.99) as f64 / 1e3;
        shift.tiers = tiers;
        shift.void = tally.void().or(jump);
        Ok(())
    }
}

/// Second by second: how many were meant to start, and how many of these were answered in time.
fn seconds(times: &[Duration], tally: &Tally, slo_ms: f64) -> Vec<[u64; 2]> {
    let Some(last) = times.last() else { return Vec::new() };
    let mut seconds = vec![[0, 0]; last.as_secs() as usize + 1];
    for at in times {
        seconds[at.as_secs() as usize][0] += 1;
    }
    let slo = Duration::from_secs_f64(slo_ms / 1e3);
    let Some(began) = tally.began else { return seconds };
    let in_time = tally.answers.iter().filter(|(_, took)| *took <= slo);
    for (intended, _) in in_time {
        let at = Instant::saturating_duration_since(intended, began).as_secs() as usize;
        if let Some(second) = seconds.get_mut(at) {
            second[1] += 1;
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_belongs_to_the_second_in_which_it_was_asked_for() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let ms = Duration::from_millis;
        let answers = vec![(at(100), ms(10)), (at(1_500), ms(2_000)), (at(1_900), ms(49))];
        let tally = Tally { began: Some(began), answers, ..Tally::default() };
        let times = [ms(100), ms(1_500), ms(1_900), ms(2_100)];
        assert_eq!(seconds(&times, &tally, 50.0), [[1, 1], [2, 1], [1, 0]]);
        assert_eq!(seconds(&[], &tally, 50.0), Vec::<[u64; 2]>::new());
    }
}
