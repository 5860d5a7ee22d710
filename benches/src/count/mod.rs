//! What a page takes in instructions. Neighbours on the machine make a program slower but never
//! make it do more, so these figures are the same on a busy machine, in CI and a year from now; a
//! page that grows is noticed when it grows.
//!
//! Every server runs under Valgrind's tool Callgrind and answers the same requests, one after the
//! other, over one connection. What is not in the figures is the kernel's own work. How often a
//! page hands the core to another thread stands beside them, because that is where most of the
//! kernel's work begins, together with SQL statements and calls to the backend.

mod anatomy;
mod caches;
mod callgrind;
mod generators;
mod growth;
mod spans;
mod stored;
mod syscalls;
mod tracer;
mod upkeep;

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use conduit::wire::{
    API,
    path::{ARTICLES, of},
};
use contract::dataset::Dataset;
use http::{HeaderValue, Request, StatusCode, Uri, header::COOKIE};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

pub use self::anatomy::{Part, Parts, Visit, parts_of};
pub use self::caches::{Misses, caches};
pub use self::callgrind::is_installed;
use self::callgrind::{Callgrind, Counted};
pub use self::generators::{Ability, Beside, generators};
pub(crate) use self::growth::signed_in;
pub use self::growth::{Growth, growth};
pub use self::spans::{Guest, Quartiles, Spans, sent_to, spans};
pub use self::stored::{Change, Comparison, Counts, Figure, Judgement, Stored, Tried};
pub use self::syscalls::{Syscalls, syscalls};
pub(crate) use self::tracer::OTHERS;
pub use self::upkeep::{Upkeep, upkeep};
use crate::{
    affinity,
    databases::{Databases, Engine},
    fleet::System,
    load::{Body, Connections},
    parity::{BACKEND_CALLS, STATEMENTS, counter, metrics},
    probe, progress,
    record::Arm,
    servers::{FLOOR, FLOOR_BACKEND, FLOOR_FRONTEND},
    site::Site,
    stats::below,
    store,
};

/// How many pages are asked for.
const PAGES: usize = 1_000;

/// How many are asked for before, not counted: every connection to the database has to have seen
/// every statement once.
const WARM_UP: usize = 200;

/// Which pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replay {
    /// The home page alone, again and again.
    Home,
    /// Of ten pages four are the home page, four are articles, one is a tag's page and one a
    /// profile.
    Mix,
    /// Articles, each time another one.
    Article,
    /// The page of the tag that most articles have.
    Tag,
    /// What an account has written, each time another one.
    Profile,
    /// The articles of those whom somebody follows.
    Feed,
    /// Lists of articles: the home page and the pages of tags, by Zipf's law.
    Lists,
    /// The newest articles as JSON, of a server that has the API.
    List,
    /// The lab's own page, which lists articles by calls of the port in a pattern of choice.
    Calls(Pattern),
    /// The lab's own page for one article, with a text of so many KiB.
    Text {
        /// How long the text is.
        kib: u32,
        /// As in [`Pattern`].
        codec: bool,
    },
}

/// By which calls of the port a page gets what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pattern {
    /// How many articles it shows.
    pub articles: u32,
    /// How it gets them.
    pub how: How,
    /// Whether each answer is written as JSON and read again in the same process, as if it had been
    /// sent.
    pub codec: bool,
}

/// How a page gets several articles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A call for each, one after the other.
    Sequential,
    /// A call for each, all at once.
    Concurrent,
    /// One call for all of them.
    Batched,
}

/// What one page takes of one process, on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions outside the kernel.
    pub instructions: u64,
    /// How often a thread gave up its core to wait for something.
    pub waits: f64,
    /// SQL statements that were sent.
    pub statements: f64,
    /// Calls to the backend that were sent.
    pub backend_calls: f64,
}

/// What is counted: an arm, and what it is asked for.
const SUBJECTS: [(Arm, &[Replay]); 4] = [
    (Arm::Floor, &[Replay::Home]),
    (Arm::Hop, &[Replay::Home]),
    (Arm::Monolith, &[Replay::Home, Replay::Mix]),
    (Arm::Split, &[Replay::Home, Replay::Mix]),
];

impl Replay {
    /// Each kind of page alone.
    const PAGES: [Self; 5] = [Self::Home, Self::Article, Self::Tag, Self::Profile, Self::Feed];

    /// The addresses, in order.
    pub(crate) fn addresses(self, dataset: &Dataset) -> anyhow::Result<Vec<Uri>> {
        let lists = lists(dataset);
        let address = |number: usize| {
            let index = number as u64;
            // Far apart, so that they don't lie beside each other on the disk.
            let article = dataset.article(index * 7_919 % dataset.size().articles);
            let user = dataset.user(index * 7_919 % dataset.size().users);
            let path = match (self, number % 10) {
                (Self::Home, _) | (Self::Mix, 0..4) => "/".to_owned(),
                (Self::Article, _) | (Self::Mix, 4..8) => format!("/article/{}", article.slug),
                (Self::Tag, _) => of("/tag/{}", &dataset.tag(0)),
                (Self::Mix, 8) => of("/tag/{}", &dataset.tag(index / 10 % 5)),
                (Self::Profile, _) | (Self::Mix, _) => of("/profile/{}", &user.username),
                (Self::Feed, _) => "/?feed=following".to_owned(),
                (Self::Lists, _) => lists[number].clone(),
                (Self::List, _) => format!("{API}{ARTICLES}?limit=10"),
                (Self::Calls(Pattern { articles, how, codec }), _) => {
                    let how = how.name();
                    format!("/lab/calls?articles={articles}&how={how}&codec={codec}")
                }
                (Self::Text { .. }, _) => bail!("where a text is only they know who wrote it"),
            };
            Ok(path.parse()?)
        };
        (0..PAGES).map(address).collect()
    }
}

/// How many lists there are to choose from: the home page, and a page for each of the most used tags.
const LISTS: usize = 20;

/// Which list each visitor asks for. The one of rank k is asked for 1/k as often as the first (Zipf's
/// law), in no order, as many visitors would: else replicas that take turns would have lists of their
/// own.
fn lists(dataset: &Dataset) -> Vec<String> {
    /// A number that all ranks up to 5 divide, and the others nearly.
    const TICKETS: usize = 2_520;
    let mut tickets = Vec::new();
    for rank in 1..=LISTS {
        let tag = (rank as u64).checked_sub(2).map(|index| dataset.tag(index));
        let path = tag.map_or_else(|| "/".to_owned(), |tag| of("/tag/{}", &tag));
        tickets.extend(std::iter::repeat_n(path, TICKETS / rank));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(dataset.seed());
    (0..PAGES).map(|_| tickets[below(&mut rng, tickets.len())].clone()).collect()
}

/// Counts everything, on one database.
///
/// # Errors
/// One line: what could not be had, or which answer was wrong.
pub async fn count(engine: &Engine) -> anyhow::Result<Counts> {
    let mut site = Site::build(engine, affinity::layout(&affinity::cores()?)).await?;
    let arms = SUBJECTS.map(|(arm, _)| arm);
    let databases = site.seeded.copies("count", &arms, &mut site.guardian).await?;
    let mut counts = Counts::default();
    for (arm, replays) in SUBJECTS {
        for replay in replays {
            let addresses = replay.addresses(&site.dataset)?;
            progress::say("Counting", &format!("{}: {PAGES} pages, {replay:?}", arm.name()));
            let subject = Subject { site: &mut site, databases: &databases, arm, replay: *replay };
            let costs = subject.costs(&addresses).await?;
            counts.0.entry(*replay).or_default().extend(costs);
        }
    }
    Ok(counts)
}

/// One arm about to be counted.
struct Subject<'a> {
    site: &'a mut Site,
    databases: &'a Databases,
    arm: Arm,
    replay: Replay,
}

impl Subject<'_> {
    /// Twice: as it is, for what the kernel can be asked about, and under Callgrind.
    async fn costs(mut self, addresses: &[Uri]) -> anyhow::Result<BTreeMap<String, Cost>> {
        let mut costs = self.plain(addresses).await?;
        let counted = self.under(&Callgrind::new(store::profiles()?)?, addresses).await;
        for (role, counted) in counted? {
            let instructions = counted.instructions() / addresses.len() as u64;
            costs.entry(role).or_default().instructions = instructions;
        }
        Ok(costs)
    }

    async fn plain(&self, addresses: &[Uri]) -> anyhow::Result<BTreeMap<String, Cost>> {
        let mut fleet = self.site.rig.start(self.databases, &[self.arm], "plain").await?;
        let system = fleet.system(self.arm)?;
        let costs = async {
            let visitor = Visitor::guest(&system);
            visitor.ask(&addresses[..WARM_UP]).await?;
            let before = readings(&system).await?;
            visitor.ask(addresses).await?;
            let after = readings(&system).await?;
            let per_page = |later: u64, earlier: u64| {
                (later.saturating_sub(earlier) as f64 / addresses.len() as f64 * 100.0).round()
                    / 100.0
            };
            let cost = |(role, now): (String, [u64; 3])| {
                let then = before.get(&role).copied().unwrap_or_default();
                let [waits, statements, backend_calls] =
                    [0, 1, 2].map(|i| per_page(now[i], then[i]));
                (role, Cost { instructions: 0, waits, statements, backend_calls })
            };
            Ok(after.into_iter().map(cost).collect())
        };
        let costs = fleet.unless_one_dies(costs).await?;
        fleet.stop().await?;
        Ok(costs)
    }

    /// Role → what all pages together take, under Callgrind.
    async fn under(
        &mut self,
        tool: &Callgrind,
        addresses: &[Uri],
    ) -> anyhow::Result<BTreeMap<String, Counted>> {
        self.site.rig.under = tool.command();
        let started = self.site.rig.start(self.databases, &[self.arm], "counted").await;
        self.site.rig.under = Vec::new();
        let mut fleet = started?;
        let system = fleet.system(self.arm)?;
        let counted = async {
            let visitor = Visitor::guest(&system);
            visitor.ask(&addresses[..WARM_UP]).await?;
            system.processes.iter().try_for_each(|process| tool.begin(process.pid()?))?;
            visitor.ask(addresses).await?;
            let counted = system.processes.iter().map(|process| {
                let name = format!("{}-{}", process.role, self.replay.name());
                Ok((process.role.to_owned(), tool.counted(process.pid()?, &name)?))
            });
            counted.collect()
        };
        // Not stopped but killed: under Callgrind an orderly end takes its time, and nothing of it
        // is of interest any more.
        fleet.unless_one_dies(counted).await
    }
}

/// One visitor, who waits for each answer.
pub(crate) struct Visitor {
    connections: Connections,
    /// The session, of one who is signed in.
    cookie: Option<HeaderValue>,
}

impl Visitor {
    pub(crate) fn guest(system: &System) -> Self {
        Self { connections: Connections::new(system.front), cookie: None }
    }

    pub(crate) async fn ask(&self, addresses: &[Uri]) -> anyhow::Result<()> {
        for address in addresses {
            let mut request = Request::new(Body::default());
            *request.uri_mut() = address.clone();
            if let Some(cookie) = &self.cookie {
                request.headers_mut().insert(COOKIE, cookie.clone());
            }
            let answer = self.connections.send(request).await?;
            ensure!(answer.status == StatusCode::OK, "{address} was answered by {}", answer.status);
        }
        Ok(())
    }
}

/// Role → waits, statements and backend calls so far. The hand-written page counts nothing by
/// itself.
async fn readings(system: &System) -> anyhow::Result<BTreeMap<String, [u64; 3]>> {
    let mut readings = BTreeMap::new();
    for process in &system.processes {
        let waits = probe::waits(process.pid()?)
            .with_context(|| format!("cannot read how often {} waited", process.role))?;
        let text = match process.role {
            FLOOR | FLOOR_BACKEND | FLOOR_FRONTEND => String::new(),
            _ => metrics(&Connections::new(process.address)).await?,
        };
        let counted = [STATEMENTS, BACKEND_CALLS].map(|name| counter(&text, name));
        readings.insert(process.role.to_owned(), [waits, counted[0], counted[1]]);
    }
    Ok(readings)
}
