//! One search on servers that run: rate after rate.

use anyhow::{Context, bail};

use super::{
    Search,
    beside::{self, Moment},
    labour::Labour,
    trial::Step,
};
use crate::{
    fleet::deployment::View,
    load::{CROWD, Generator, Target, Visit, poisson},
    probe::{self, Watched},
};

/// How often a rate is tried until a step counts: in a search, and where the time of a page is asked for,
/// which hangs more on a moment's disturbance than whether a rate is kept.
pub(crate) const ATTEMPTS: u32 = 3;
pub(crate) const ATTEMPTS_AT_TIMES: u32 = 10;

/// The share of all cores' time that the hypervisor may take before a step is tried again. It is not
/// evenly spread: 2 % of a second and a half are 60 ms on two cores, several periods of a quota, in which
/// a backlog builds up that no server is to blame for.
pub(crate) const STOLEN: f64 = 0.02;

/// What a search needs.
pub(super) struct Steps<'a> {
    pub(super) at: Observer<'a>,
    /// Brings jobs about, where the mix has some.
    pub(super) labour: Option<Labour>,
    pub(super) slo_ms: f64,
    pub(super) number: u32,
    pub(super) seconds: f64,
    pub(super) seed: u64,
}

/// Sends visitors to servers that run, and watches both.
pub(crate) struct Observer<'a> {
    pub(crate) generator: &'a Generator,
    pub(crate) target: Target,
    pub(crate) view: View,
    /// The database, where it can be seen.
    pub(crate) beside: Option<Watched>,
}

impl Steps<'_> {
    /// Tries these rates, each for so many seconds, and leaves all attempts in `steps`.
    pub(super) async fn play(
        &self,
        rates: &[f64],
        seconds: f64,
        steps: &mut Vec<Step>,
    ) -> anyhow::Result<()> {
        for (number, rate) in (1000..).zip(rates) {
            let seed = self.seed.wrapping_add(number);
            attempts(ATTEMPTS_AT_TIMES, steps, async || self.step(*rate, seconds, seed).await)
                .await?;
        }
        Ok(())
    }

    /// Looks for the goodput, and leaves each rate in `steps` as soon as it has been tried.
    pub(super) async fn search(
        &self,
        guess: f64,
        stride: f64,
        steps: &mut Vec<Step>,
    ) -> anyhow::Result<()> {
        let mut search = Search::from(guess, stride);
        for number in 0..self.number {
            // Other visitors in every step, the same for all arms.
            let seed = self.seed.wrapping_add(u64::from(number));
            search.learn(self.counted(search.next(), seed, steps).await?);
        }
        Ok(())
    }

    async fn step(&self, rate: f64, seconds: f64, seed: u64) -> anyhow::Result<Step> {
        match &self.labour {
            Some(labour) => labour.step(&self.at, rate, seconds, seed).await,
            None => Ok(self.at.step(rate, seconds, seed).await?.0),
        }
    }

    /// Tries one rate until it counts, and returns whether it kept the SLO.
    async fn counted(&self, rate: f64, seed: u64, steps: &mut Vec<Step>) -> anyhow::Result<bool> {
        let attempt = async || self.step(rate, self.seconds, seed).await;
        match attempts(ATTEMPTS, steps, attempt).await? {
            Step { void: Some(why), .. } => {
                bail!("{ATTEMPTS} steps at {rate:.0} requests a second came to nothing: {why}")
            }
            counts => Ok(counts.keeps(self.slo_ms)),
        }
    }
}

/// What is measured again where something disturbed it.
pub(crate) trait Attempt {
    /// What visitors saw meanwhile.
    fn pages(&mut self) -> &mut Step;
}

impl Attempt for Step {
    fn pages(&mut self) -> &mut Step {
        self
    }
}

/// Tries until a step counts, at most so often, leaves all attempts in `done`, and returns the last. One
/// that the hypervisor disturbed counts only where there is no better one: when it is the last.
pub(crate) async fn attempts<A: Attempt>(
    most: u32,
    done: &mut Vec<A>,
    attempt: impl AsyncFn() -> anyhow::Result<A>,
) -> anyhow::Result<&A> {
    for left in (0..most).rev() {
        let mut tried = attempt().await?;
        let step = tried.pages();
        let again = || (left > 0).then(|| disturbed(step.steal)).flatten();
        step.void = step.void.clone().or_else(again);
        let counts = step.void.is_none();
        done.push(tried);
        if counts {
            break;
        }
    }
    done.last().context("no attempt")
}

/// Why a step is better tried again, if the hypervisor took so much.
fn disturbed(steal: f64) -> Option<String> {
    (steal > STOLEN).then(|| format!("the hypervisor took {:.1} % of the CPU", 100.0 * steal))
}

impl Observer<'_> {
    /// Asks for some pages that don't count, enough of them at once that every server opens all its
    /// connections to the database. Those that are opened later take CPU of the database, and time of
    /// the pages that come meanwhile.
    pub(crate) async fn warm_up(&self) -> anyhow::Result<()> {
        // In setups of one server it may have more of them than where there are several.
        let visitors = CROWD * (self.view.watched.len() + 1);
        self.generator.turns(self.target.clone(), visitors, 10 * visitors).await.map(drop)
    }

    /// Everything whose CPU is told apart.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let me = Watched::generator();
        self.view.watched.iter().chain(&self.beside).chain([&me]).cloned().collect()
    }

    /// Tries a rate for so many seconds; also says of each visitor when they were due, and how long
    /// they waited for a right answer.
    ///
    /// # Errors
    /// When the generator can't send, or something that is watched is gone.
    pub(crate) async fn step(
        &self,
        rate: f64,
        seconds: f64,
        seed: u64,
    ) -> anyhow::Result<(Step, Vec<Visit>)> {
        let Self { generator, target, view, .. } = self;
        let arrivals = poisson(rate, seconds, seed, target.paths.len());
        let watched = self.watched();
        let (waited, groups) = (beside::waited(), view.used()?);
        let (before, begun) = (probe::read(&watched)?, Moment::now());
        let tally = generator.open(target.clone(), arrivals).await?;
        let (usage, ended) = (before.until(&probe::read(&watched)?), Moment::now());
        let tiers = beside::tiers(&groups, &view.used()?);
        let elapsed = ended.at.duration_since(begun.at).as_secs_f64();
        let pressure = waited
            .zip(beside::waited())
            .map(|(before, after)| (after.saturating_sub(before).as_secs_f64() / elapsed).min(1.0));
        let mut cpu_ms = usage.cpu_ms;
        let mut void = tally.void();
        if view.exclusive {
            void = void.or_else(|| beside::contradiction(&tiers, &cpu_ms));
        } else {
            cpu_ms.extend(tiers.iter().map(|(role, tier)| (role.clone(), tier.cpu_ms)));
        }
        let step = Step {
            rate,
            seconds,
            seed,
            scheduled: tally.scheduled,
            completed: tally.completed,
            latency: tally.latency.to_record(),
            lag_p99_ms: tally.lag.quantile_us(0.99) as f64 / 1e3,
            errors: tally.errors,
            elapsed,
            cpu_ms,
            resident_mib: probe::resident(&watched)?,
            tiers,
            foreign_cpu: usage.foreign_cpu,
            steal: usage.steal,
            pressure,
            jobs: None,
            void: void.or_else(|| begun.jump(ended)),
        };
        Ok((step, tally.visits))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::scaling::step_of;

    /// What attempts with so much stolen leave behind: which of them are void.
    async fn tried(steals: &[f64]) -> Vec<bool> {
        let left = RefCell::new(steals.iter());
        let attempt = async || {
            let steal = left.borrow_mut().next().copied().context("one attempt too many")?;
            Ok(Step { steal, ..step_of(100.0, 5) })
        };
        let mut steps = Vec::new();
        attempts(ATTEMPTS, &mut steps, attempt).await.unwrap();
        steps.iter().map(|step| step.void.is_some()).collect()
    }

    #[tokio::test]
    async fn what_the_hypervisor_disturbed_is_tried_again_and_counts_only_as_the_last() {
        assert_eq!(tried(&[STOLEN]).await, [false]);
        assert_eq!(tried(&[0.083, 0.0]).await, [true, false]);
        assert_eq!(tried(&[0.083, 0.05, 0.2]).await, [true, true, false]);
        let why = disturbed(0.083);
        assert_eq!(why.as_deref(), Some("the hypervisor took 8.3 % of the CPU"));
    }
}
