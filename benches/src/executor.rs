//! Goes through a plan: one block after the other on the servers of one restart, and leaves a
//! [`Slice`] for every stretch of load.

use std::collections::BTreeMap;

use anyhow::Context;
use indicatif::ProgressBar;

use crate::{
    fleet::System,
    load::{Generator, poisson},
    pilot::Found,
    plan::{Block, Plan, Restart},
    probe::Watched,
    progress::ms,
    record::{Arm, Comparison, Page, Purpose, Slice},
    store::Folder,
    stretch::{self, Outcome, Part},
    visitors::Visitors,
};

/// What a slice takes beside its scheduled length: thawing, warming up, waiting for the last
/// answers. For the estimate of the time left only.
const OVERHEAD: f64 = 0.06;

/// Where a search for the highest rate begins: bounds as shares of one core's worth of the
/// monolith's pages per second.
const SEARCH: (f64, f64) = (0.3, 1.3);

/// Carries out the blocks of one restart.
#[derive(Debug)]
pub struct Executor<'a> {
    /// Sends requests.
    pub generator: &'a Generator,
    /// What is asked for.
    pub visitors: &'a Visitors,
    /// What the pilot found.
    pub found: &'a Found,
    /// What works beside the servers, as far as it can be seen: the database.
    pub beside: Vec<Watched>,
    /// Which restart this is.
    pub restart: u32,
    /// The running arms, all frozen.
    pub systems: Vec<System>,
    /// Shows how far it is, in milliseconds of planned time.
    pub bar: &'a ProgressBar,
    /// Takes every slice as soon as it is measured.
    pub folder: &'a mut Folder,
    /// All slices so far.
    pub slices: &'a mut Vec<Slice>,
}

/// What one slice is to be.
#[derive(Clone, Copy, Debug)]
struct Order {
    block: u32,
    comparison: Comparison,
    purpose: Purpose,
    page: Page,
    arm: Arm,
    rate: f64,
    seconds: f64,
    seed: u64,
}

/// How long a plan takes, for the progress bar, seconds.
pub fn duration(plan: &Plan) -> f64 {
    plan.restarts.iter().flat_map(|restart| &restart.blocks).map(block_duration).sum()
}

fn block_duration(block: &Block) -> f64 {
    match block {
        Block::Steady { order, seconds, .. } => order.len() as f64 * (seconds + OVERHEAD),
        Block::Capacity { arms, steps, seconds, .. } => {
            arms.len() as f64 * f64::from(*steps) * (seconds + OVERHEAD)
        }
        Block::Duet { seconds, .. } => 2.0 * (seconds + OVERHEAD),
    }
}

impl Executor<'_> {
    /// Carries out all blocks of `plan`, which must be that of the restart that runs.
    pub async fn run(&mut self, plan: &Restart) -> anyhow::Result<()> {
        for system in &self.systems {
            system.resume()?;
            self.generator.crowd(self.visitors.to(Page::Home, system.front)).await?;
            system.park()?;
        }
        for (number, block) in (0..).zip(&plan.blocks) {
            match block {
                Block::Steady { comparison, page, order, seconds, seed } => {
                    let rate = looked_at(&self.found.rates, *page)?;
                    let (comparison, page) = (*comparison, *page);
                    let (seconds, seed) = (*seconds, *seed);
                    let purpose = Purpose::Steady;
                    for arm in order.iter().copied() {
                        let block = number;
                        let order =
                            Order { block, comparison, purpose, page, arm, rate, seconds, seed };
                        self.slice(order).await?;
                    }
                }
                Block::Capacity { .. } => self.capacity(number, block).await?,
                Block::Duet { .. } => self.duet(number, block).await?,
            }
        }
        Ok(())
    }

    /// A bisection on the logarithm of the rate for each arm, in turns, so that drift of the
    /// machine falls on all alike. All begin with the same bracket.
    async fn capacity(&mut self, number: u32, block: &Block) -> anyhow::Result<()> {
        let Block::Capacity { comparison, page, arms, steps, seconds, slo_ms, seed } = block else {
            return Ok(());
        };
        let one_core = looked_at(&self.found.one_core, *page)?;
        let mut searches: Vec<Search> =
            arms.iter().map(|arm| Search::new(*arm, one_core)).collect();
        for step in 0..*steps {
            for search in &mut searches {
                let slice = self
                    .slice(Order {
                        block: number,
                        comparison: *comparison,
                        purpose: Purpose::Capacity,
                        page: *page,
                        arm: search.arm,
                        rate: search.next(),
                        seconds: *seconds,
                        // Other visitors in every step, the same for all arms.
                        seed: seed.wrapping_add(u64::from(step)),
                    })
                    .await?;
                search.learn(slice.keeps(*slo_ms));
            }
        }
        Ok(())
    }

    /// Both arms at once, each by a schedule of its own at half the rate; then once more in the other
    /// order.
    async fn duet(&mut self, number: u32, block: &Block) -> anyhow::Result<()> {
        let Block::Duet { comparison, page, seconds, seed } = block else { return Ok(()) };
        let rate = looked_at(&self.found.rates, *page)? / 2.0;
        let order = |arm, seed| Order {
            block: number,
            comparison: *comparison,
            purpose: Purpose::Duet,
            page: *page,
            arm,
            rate,
            seconds: *seconds,
            seed,
        };
        for stretch in stretch::either_order(comparison.arms(), *seed) {
            let orders = stretch.map(|(arm, seed)| order(arm, seed));
            self.bar.set_message(format!("{} page, two at once, {rate:.0}/s each", page.name()));
            let parts = [self.part(orders[0])?, self.part(orders[1])?];
            let outcomes = stretch::duet(self.generator, parts, &self.beside).await?;
            self.bar.inc(ms(seconds + OVERHEAD));
            for (order, outcome) in orders.into_iter().zip(outcomes) {
                self.keep(order, outcome)?;
            }
        }
        Ok(())
    }

    /// One arm for a while, all others frozen.
    async fn slice(&mut self, order: Order) -> anyhow::Result<&Slice> {
        let Order { page, arm, rate, seconds, .. } = order;
        self.bar.set_message(format!("{} page, {}, {rate:.0}/s", page.name(), arm.name()));
        let outcome = stretch::solo(self.generator, self.part(order)?, &self.beside).await?;
        self.bar.inc(ms(seconds + OVERHEAD));
        self.keep(order, outcome)
    }

    fn part(&self, order: Order) -> anyhow::Result<Part<'_>> {
        let Order { page, arm, rate, seconds, seed, .. } = order;
        let system = self.systems.iter().find(|system| system.arm == arm);
        let system = system.with_context(|| format!("{} does not run", arm.name()))?;
        let target = self.visitors.to(page, system.front);
        let arrivals = poisson(rate, seconds, seed, target.paths.len());
        Ok(Part { system, target, arrivals })
    }

    fn keep(&mut self, order: Order, outcome: Outcome) -> anyhow::Result<&Slice> {
        let Order { block, comparison, purpose, page, arm, rate, seconds, seed } = order;
        let Outcome { tally, usage, resident_mib } = outcome;
        let slice = Slice {
            restart: self.restart,
            block,
            comparison,
            purpose,
            page,
            arm,
            rate,
            seconds,
            seed,
            void: tally.void(),
            scheduled: tally.scheduled,
            sent: tally.sent,
            completed: tally.completed,
            latency: tally.latency.to_record(),
            service: tally.service.to_record(),
            lag: tally.lag.to_record(),
            errors: tally.errors,
            cpu_ms: usage.cpu_ms,
            resident_mib,
            foreign_cpu: usage.foreign_cpu,
            steal: usage.steal,
        };
        self.folder.append(&slice)?;
        self.slices.push(slice);
        self.slices.last().context("a slice was pushed just now")
    }
}

fn looked_at(found: &BTreeMap<Page, f64>, page: Page) -> anyhow::Result<f64> {
    let value = found.get(&page).copied();
    value.with_context(|| format!("the pilot did not look at the {} page", page.name()))
}

/// One arm's bracket around the highest rate that keeps the SLO.
#[derive(Clone, Copy, Debug)]
struct Search {
    arm: Arm,
    low: f64,
    high: f64,
}

impl Search {
    fn new(arm: Arm, one_core: f64) -> Self {
        Self { arm, low: SEARCH.0 * one_core, high: SEARCH.1 * one_core }
    }

    /// The middle of the bracket on the logarithm, so that each step narrows a ratio.
    fn next(&self) -> f64 {
        (self.low * self.high).sqrt()
    }

    fn learn(&mut self, kept: bool) {
        let tried = self.next();
        if kept {
            self.low = tried;
        } else {
            self.high = tried;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_closes_in_on_the_highest_rate_that_is_kept() {
        let mut search = Search::new(Arm::Monolith, 1000.0);
        for _ in 0..12 {
            let kept = search.next() <= 777.0;
            search.learn(kept);
        }
        assert!(search.low <= 777.0 && 777.0 < search.high);
        assert!(search.high / search.low < 1.001, "{search:?}");
    }

    #[test]
    fn a_plan_takes_its_slices_and_what_lies_between_them() {
        let steady = Block::Steady {
            comparison: Comparison::Boundary,
            page: Page::Home,
            order: vec![Arm::Monolith, Arm::Split, Arm::Split, Arm::Monolith],
            seconds: 1.0,
            seed: 0,
        };
        let plan = Plan { restarts: vec![Restart { arms: vec![], blocks: vec![steady] }] };
        assert!((duration(&plan) - 4.0 * (1.0 + OVERHEAD)).abs() < 1e-9);
    }
}
