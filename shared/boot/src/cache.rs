//! What is asked of the port again and again, kept in memory: the lists of articles that visitors who
//! are not signed in see, and the tags. `cached` puts it in front of the port.
//!
//! What is kept must never be older than what somebody was told is done. So it belongs to a
//! *generation*, and every write begins a new one:
//!
//! - an answer is found only by those who ask in its own generation;
//! - a read that began before a write belongs to the generation before it, so an answer that comes late,
//!   and may be from before the write, is put where nobody looks any more;
//! - whoever asks while the same question is under way waits for that answer, in one generation as well.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use conduit::{ArticlePage, Caller, DEFAULT_LIMIT, Error, ListArticles, Outcome, Result};
use moka::{future::Cache, policy::EvictionPolicy};

/// The name of the counter of answers that were there, among the server's metrics.
pub const CACHE_HITS: &str = "conduit_cache_hits_total";

/// The name of the counter of those that had to be asked for.
pub const CACHE_MISSES: &str = "conduit_cache_misses_total";

/// The name of the counter of moments at which all of it became out of date.
pub const CACHE_INVALIDATIONS: &str = "conduit_cache_invalidations_total";

/// How much is kept in memory, and for how long.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CacheArgs {
    /// Most lists of articles to keep in memory, for visitors who are not signed in; 0 keeps nothing
    #[arg(long, env = "CACHE_ENTRIES", value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub cache_entries: u32,

    /// Seconds after which something in memory is asked for anew, also if nobody said that it changed
    #[arg(long, env = "CACHE_SECONDS", value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub cache_seconds: u32,
}

/// A question and the generation in which it was asked.
type Key<Q> = (u64, Q);

/// What is kept. A generation that is over is not searched for what to throw away: nobody asks for it
/// any more, and what was not asked for the longest goes first.
pub(crate) struct Store {
    generation: AtomicU64,
    pub(crate) lists: Cache<Key<ListArticles>, Arc<ArticlePage>>,
    pub(crate) tags: Cache<Key<()>, Arc<Vec<String>>>,
}

impl Store {
    /// `None` if nothing is to be kept.
    pub(crate) fn new(args: CacheArgs) -> Option<Self> {
        if args.cache_entries == 0 {
            return None;
        }
        metrics::describe_counter!(CACHE_HITS, "answers that were in memory");
        metrics::describe_counter!(CACHE_MISSES, "answers that were not in memory");
        metrics::describe_counter!(CACHE_INVALIDATIONS, "how often memory became out of date");
        // A counter shows from the first time on that it is touched.
        for name in [CACHE_HITS, CACHE_MISSES, CACHE_INVALIDATIONS] {
            metrics::counter!(name).increment(0);
        }
        Some(Self {
            generation: AtomicU64::new(0),
            lists: cache(args.cache_entries, args.cache_seconds),
            tags: cache(1, args.cache_seconds),
        })
    }

    /// Makes everything out of date that was kept until now.
    pub(crate) fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        metrics::counter!(CACHE_INVALIDATIONS).increment(1);
    }

    /// The answer that is kept, or else the one that `ask` gets, which is then kept.
    pub(crate) async fn read<Q, A, F>(
        &self,
        kept: &Cache<Key<Q>, Arc<A>>,
        question: Q,
        caller: &Caller,
        ask: impl Fn() -> F,
    ) -> Result<A>
    where
        Q: Clone + Eq + Hash + Send + Sync + 'static,
        A: Clone + Send + Sync + 'static,
        F: Future<Output = Result<A>>,
    {
        if caller.remaining().is_zero() {
            // Also if the answer is there: whoever asks gets the same from everybody.
            return Err(Error::Unavailable(Outcome::NotDone));
        }
        // Before anything is asked: see the top of this file.
        let key = (self.generation.load(Ordering::SeqCst), question);
        let mut asked = false;
        let answer = kept.try_get_with(key, async {
            asked = true;
            ask().await.map(Arc::new)
        });
        // Whoever waits for somebody else's answer waits no longer than for one of their own.
        let answer = tokio::time::timeout_at(caller.deadline.into(), answer).await;
        metrics::counter!(if asked { CACHE_MISSES } else { CACHE_HITS }).increment(1);
        match answer {
            Ok(Ok(answer)) => Ok(A::clone(&answer)),
            Ok(Err(error)) if asked => Err(Error::clone(&error)),
            // Whoever asked had less time, or no luck.
            Ok(Err(_)) => ask().await,
            Err(_late) => Err(Error::Unavailable(Outcome::NotDone)),
        }
    }
}

fn cache<K, V>(entries: u32, seconds: u32) -> Cache<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(entries.into())
        .time_to_live(Duration::from_secs(seconds.into()))
        .eviction_policy(EvictionPolicy::lru())
        .build()
}

/// Whether every visitor without an account who asks this is to be told the same, and the answer is
/// no longer than what pages show: how much memory the lists take is bounded by their number.
pub(crate) fn is_kept(caller: &Caller, list: &ListArticles) -> bool {
    caller.token.is_none()
        && list.author.is_none()
        && list.favorited.is_none()
        && list.limit <= DEFAULT_LIMIT
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
