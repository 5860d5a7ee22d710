//! One round of a grid: all cells are asked in laps, a few requests each time.
//!
//! What else happens on a machine changes from one tenth of a second to the next, so two servers that are
//! the same seem the more different, the longer each is asked at a stretch. Here nobody gets a long one:
//! what disturbs one cell is over before it has a second turn, and has disturbed its neighbours as well.
//! What is left of it shows in the interval between the twins, which each report has.

use std::{cell::RefCell, collections::BTreeMap, time::Instant};

use anyhow::{Context, bail};
use futures_util::future::try_join_all;
use http::Uri;
use rand_chacha::ChaCha8Rng;

use super::{Cell, Trial, measure::Place};
use crate::{
    count::{Replay, Visitor, signed_in},
    fleet::{Fleet, System},
    link::{self, Achieved, Link},
    load::{CROWD, Times},
    probe::{self, Scope, Threads, Usage, Waiting, Watched},
    record::Arm,
    stats::{rounded, shuffle},
};

/// Requests of a visitor in one lap, and for how long at most, seconds.
const LAP: Amount = Amount { requests: 20, seconds: 0.01 };

/// Several visitors need longer until each waits for all others, as they do from then on.
const CROWDED_LAP: Amount = Amount { requests: 20, seconds: 0.1 };

/// Requests at the beginning of each lap that are not counted: caches hold what others have left.
const WARM_UP: usize = 2;

/// Requests before the first lap: connections are made, statements are prepared.
const FIRST_WARM_UP: usize = 60;

/// Monoliths that differ in nothing but what is planted in them: those that controls compare.
const ALIKE: [Arm; 5] = [Arm::Monolith, Arm::Plain, Arm::Twin, Arm::Planted, Arm::Waiting];

/// How long each of those is asked for what is asked of any, before the first lap.
const DIET: Amount = Amount { requests: 400, seconds: 0.1 };

/// How often a trial is measured that does not count. If none does, the whole round counts for
/// nothing.
const TRIES: usize = 3;

/// How long something goes on: until one of them is reached.
#[derive(Clone, Copy)]
pub(super) struct Amount {
    pub(super) requests: usize,
    pub(super) seconds: f64,
}

/// One cell on its way through a round.
struct Course<'a> {
    cell: &'a Cell,
    /// Which of the places, and so which fleet and which link.
    here: usize,
    system: &'a System,
    visitor: Visitor,
    addresses: Vec<Uri>,
    servers: Vec<Watched>,
    watched: Vec<Watched>,
    /// How many were asked for, counted or not: the next one is another.
    position: usize,
    found: Found,
}

/// What was observed so far.
#[derive(Default)]
struct Found {
    requests: usize,
    seconds: f64,
    latency: Times,
    cpu_ms: BTreeMap<String, f64>,
    waiting: Waiting,
    link: Option<Achieved>,
}

/// All cells of a round, in laps, on servers that run. The order is another one in each lap.
pub(super) async fn round(
    places: &[Place],
    fleets: &mut [Fleet],
    cells: &[Cell],
    (number, amount): (u32, Amount),
    rng: &mut ChaCha8Rng,
) -> anyhow::Result<Vec<Trial>> {
    let systems: anyhow::Result<Vec<Vec<System>>> = places
        .iter()
        .zip(&*fleets)
        .map(|(place, fleet)| place.arms.iter().map(|arm| fleet.system(*arm)).collect())
        .collect();
    let systems = systems?;
    let mut links: Vec<Option<Link>> = fleets.iter_mut().map(Fleet::take_link).collect();
    let mut watched: Vec<Watched> = systems.iter().flatten().flat_map(System::watched).collect();
    watched.extend(places.iter().flat_map(|place| place.site.seeded.watched()));
    watched.extend(links.iter().flatten().map(carries).chain([Watched::generator()]));
    for cell in &diet(cells) {
        let mut course = Course::new(cell, places, &systems, &links).await?;
        fleets[course.here].unless_one_dies(course.turns(DIET)).await?;
    }
    let mut trials = Vec::new();
    let mut pending: Vec<&Cell> = cells.iter().collect();
    for _ in 0..TRIES {
        let before = probe::read(&watched)?;
        let mut courses = Vec::new();
        for cell in &pending {
            courses.push(Course::new(cell, places, &systems, &links).await?);
        }
        laps(&mut courses, fleets, &mut links, amount, rng).await?;
        let usage = before.until(&probe::read(&watched)?);
        let measured: anyhow::Result<Vec<Trial>> =
            courses.into_iter().map(|course| course.trial(number, &usage)).collect();
        let measured = measured?;
        pending.retain(|cell| measured.iter().any(|t| t.cell == cell.name && t.void.is_some()));
        trials.extend(measured);
        if pending.is_empty() {
            break;
        }
    }
    for link in links.into_iter().flatten() {
        link.stop().await?;
    }
    Ok(trials)
}

/// What makes twins alike: each of them is asked for whatever any of them is, since a server that has
/// shown articles takes a few percent more for a home page from then on: its connections to the database
/// keep more of it in their caches. What is left: a server that is asked more often within a lap is
/// warmer than its twin, and takes a little less. Where one has many cells, controls have an arm of
/// their own to be compared with ([`Arm::Plain`]).
fn diet(cells: &[Cell]) -> Vec<Cell> {
    let of_alike = || cells.iter().filter(|cell| ALIKE.contains(&cell.arm));
    let mut diet: Vec<Cell> = Vec::new();
    for cell in of_alike() {
        let here = of_alike().filter(|other| other.articles == cell.articles);
        for arm in here.map(|other| other.arm) {
            let taken = |other: &Cell| {
                (other.arm, other.articles) == (arm, cell.articles) && other.view == cell.view
            };
            if !diet.iter().any(taken) {
                diet.push(Cell { arm, visitors: 1, ..cell.clone() });
            }
        }
    }
    diet
}

async fn laps(
    courses: &mut [Course<'_>],
    fleets: &mut [Fleet],
    links: &mut [Option<Link>],
    amount: Amount,
    rng: &mut ChaCha8Rng,
) -> anyhow::Result<()> {
    for course in &mut *courses {
        let fleet = &mut fleets[course.here];
        fleet.unless_one_dies(course.crowd()).await?;
        fleet.unless_one_dies(course.warm_up(FIRST_WARM_UP, amount.seconds)).await?;
    }
    let mut order: Vec<usize> = (0..courses.len()).collect();
    loop {
        // Who has enough is done; who takes long per request has it after fewer laps.
        order.retain(|index| courses[*index].needs_more(amount));
        if order.is_empty() {
            return Ok(());
        }
        shuffle(rng, &mut order);
        for index in &order {
            let course = &mut courses[*index];
            let (fleet, link) = (&mut fleets[course.here], &mut links[course.here]);
            fleet.unless_one_dies(course.lap(link.as_mut())).await?;
        }
    }
}

impl<'a> Course<'a> {
    async fn new(
        cell: &'a Cell,
        places: &'a [Place],
        systems: &'a [Vec<System>],
        links: &[Option<Link>],
    ) -> anyhow::Result<Self> {
        let here = places.iter().position(|place| place.articles == cell.articles);
        let here = here.with_context(|| format!("{}: there is no such data", cell.name))?;
        let system = systems[here].iter().find(|system| system.arm == cell.arm);
        let system = system.with_context(|| format!("{} does not run", cell.arm.name()))?;
        let place = &places[here];
        let visitor = match cell.view {
            Replay::Feed => signed_in(system, &place.site.dataset).await?,
            _ => Visitor::guest(system),
        };
        let servers = system.watched();
        let mut watched = servers.clone();
        watched.extend(place.site.seeded.watched().into_iter().chain([Watched::generator()]));
        match (cell.rtt_us, &links[here]) {
            (Some(_), Some(link)) => watched.push(carries(link)),
            (Some(_), None) => bail!("{} has no link", cell.arm.name()),
            (None, _) => {}
        }
        let addresses = addresses(cell, place)?;
        let (position, found) = (0, Found::default());
        Ok(Self { cell, here, system, visitor, addresses, servers, watched, position, found })
    }

    fn needs_more(&self, amount: Amount) -> bool {
        self.found.requests < amount.requests && self.found.seconds < amount.seconds
    }

    /// Many requests at once, see [`Generator::crowd`](crate::load::Generator::crowd).
    async fn crowd(&self) -> anyhow::Result<()> {
        let few = &self.addresses[..self.addresses.len().min(10)];
        try_join_all((0..CROWD).map(|_| self.visitor.ask(few))).await.map(drop)
    }

    /// So many requests that are not counted, for at most a third of the time that those get which are.
    async fn warm_up(&mut self, requests: usize, seconds: f64) -> anyhow::Result<()> {
        self.turns(Amount { requests, seconds: seconds / 3.0 }).await.map(drop)
    }

    async fn lap(&mut self, link: Option<&mut Link>) -> anyhow::Result<()> {
        let mut link = match (self.cell.rtt_us, link) {
            (Some(us), Some(link)) => {
                link.set_rtt_ms(f64::from(us) / 1e3).await?;
                Some(link)
            }
            _ => None,
        };
        self.warm_up(WARM_UP, LAP.seconds).await?;
        added(&mut link).await?;
        let waited = Threads::of(&self.servers)?;
        let before = probe::read(&self.watched)?;
        let begun = Instant::now();
        let (asked, times) = self
            .turns(match self.cell.visitors {
                1 => LAP,
                n => Amount { requests: CROWDED_LAP.requests * n as usize, ..CROWDED_LAP },
            })
            .await?;
        let seconds = begun.elapsed().as_secs_f64();
        let usage = before.until(&probe::read(&self.watched)?);
        let waiting = Threads::of(&self.servers)?.since(&waited);
        let achieved = added(&mut link).await?;

        let found = &mut self.found;
        found.requests += asked;
        found.seconds += seconds;
        found.latency.add(&times);
        for (process, ms) in usage.cpu_ms {
            *found.cpu_ms.entry(process).or_default() += ms;
        }
        found.waiting.times += waiting.times;
        found.waiting.queued_ms += waiting.queued_ms;
        found.link = match (found.link.take(), achieved) {
            (Some(before), Some(now)) => Some(before.and(&now)),
            (before, now) => before.or(now),
        };
        Ok(())
    }

    /// All visitors ask in turns, each over a connection of their own, until one end of `amount` is
    /// reached. Gives the number of answers and their latencies.
    async fn turns(&mut self, amount: Amount) -> anyhow::Result<(usize, Times)> {
        let begun = Instant::now();
        let least = self.cell.visitors as usize;
        let state = RefCell::new((0, Times::new()));
        let next = || {
            let asked = &mut state.borrow_mut().0;
            let enough = *asked >= least && begun.elapsed().as_secs_f64() >= amount.seconds;
            (*asked < amount.requests && !enough).then(|| {
                *asked += 1;
                self.position + *asked - 1
            })
        };
        let turns = (0..self.cell.visitors).map(|_| async {
            while let Some(number) = next() {
                let asked = Instant::now();
                let address = &self.addresses[number % self.addresses.len()];
                self.visitor.ask(std::slice::from_ref(address)).await?;
                state.borrow_mut().1.record(asked.elapsed());
            }
            anyhow::Ok(())
        });
        try_join_all(turns).await?;
        let (asked, times) = state.into_inner();
        self.position += asked;
        Ok((asked, times))
    }

    fn trial(self, round: u32, usage: &Usage) -> anyhow::Result<Trial> {
        let Found { requests, seconds, latency, cpu_ms, waiting, link } = self.found;
        let fault = link.as_ref().and_then(|achieved| achieved.counts().err());
        Ok(Trial {
            round,
            cell: self.cell.name.clone(),
            requests: requests as u64,
            seconds: rounded(seconds),
            latency: latency.to_record(),
            cpu_ms: cpu_ms.into_iter().map(|(process, ms)| (process, rounded(ms))).collect(),
            resident_mib: probe::resident(&self.system.watched())?,
            foreign_cpu: usage.foreign_cpu,
            steal: usage.steal,
            waiting: Some(waiting),
            link,
            reads: None,
            void: fault.map(|fault| fault.to_string()),
        })
    }
}

/// So many requests to one system, alone: the CPU of its servers for one of them, milliseconds.
pub(super) async fn look(
    cell: &Cell,
    place: &Place,
    system: &System,
    requests: usize,
) -> anyhow::Result<f64> {
    let (places, systems) = (std::slice::from_ref(place), [vec![system.clone()]]);
    let mut course = Course::new(cell, places, &systems, &[None]).await?;
    course.warm_up(FIRST_WARM_UP, f64::INFINITY).await?;
    let before = probe::read(&course.servers)?;
    let (asked, _) = course.turns(Amount { requests, seconds: f64::INFINITY }).await?;
    let used = before.until(&probe::read(&course.servers)?).cpu_ms;
    Ok(used.values().sum::<f64>() / asked as f64)
}

/// What is asked for, in order.
fn addresses(cell: &Cell, place: &Place) -> anyhow::Result<Vec<Uri>> {
    let Place { site, texts, .. } = place;
    let Replay::Text { kib, codec } = cell.view else {
        return cell.view.addresses(&site.dataset);
    };
    let slug = texts.get(&kib).with_context(|| format!("no text has {kib} KiB"))?;
    let address: Uri = format!("/lab/article/{slug}?codec={codec}").parse()?;
    Ok(vec![address])
}

fn carries(link: &Link) -> Watched {
    Watched { name: link::ROLE.to_owned(), pid: link.pid(), scope: Scope::Process }
}

/// What a link has added since this was last asked.
async fn added(link: &mut Option<&mut Link>) -> anyhow::Result<Option<Achieved>> {
    match link {
        Some(link) => link.achieved().await.map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_asked_for_the_same_whatever_is_measured_on_them() {
        let cell = |arm, view, articles| Cell::new("cell", arm, view, (articles, 100));
        let cells = [
            cell(Arm::Monolith, Replay::Home, 1_000),
            cell(Arm::Monolith, Replay::Article, 1_000),
            cell(Arm::Monolith, Replay::Tag, 10_000),
            cell(Arm::Twin, Replay::Home, 1_000),
            cell(Arm::Floor, Replay::Home, 1_000),
        ];
        let mut asked: Vec<_> =
            diet(&cells).iter().map(|cell| (cell.articles, cell.view, cell.arm)).collect();
        asked.sort();
        let (monolith, twin) = (Arm::Monolith, Arm::Twin);
        assert_eq!(
            asked,
            [
                (1_000, Replay::Home, monolith),
                (1_000, Replay::Home, twin),
                (1_000, Replay::Article, monolith),
                (1_000, Replay::Article, twin),
                (10_000, Replay::Tag, monolith),
            ]
        );
    }
}
