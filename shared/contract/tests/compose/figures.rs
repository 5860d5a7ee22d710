//! What the composition was seen to do, as it stands in `docs/deploy/figures.json`, and as
//! `docs/deploy.md` shows it.

use serde::{Deserialize, Serialize};

/// All of it, from one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// On which machine, in words.
    pub(crate) machine: String,
    /// From built images to everything healthy, without replicas.
    pub(crate) start_seconds: f64,
    pub(crate) rolling: Rolling,
    pub(crate) shared: Shared,
    pub(crate) killed: Killed,
    pub(crate) joined: Joined,
    pub(crate) outage: Outage,
    pub(crate) overloads: Vec<Overload>,
}

/// Every replica restarted, one by one within its role.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rolling {
    pub(crate) rounds: u64,
    pub(crate) restarts: u64,
    /// On both sites together: half of what they can do.
    pub(crate) pages_per_second: f64,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    /// Each with its effect, and with one only.
    pub(crate) jobs: u64,
}

/// Requests of each of three backends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub(crate) requests: Vec<u64>,
}

/// One of three backends killed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Killed {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
}

/// One more backend.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// From ready to the first request.
    pub(crate) seconds: f64,
}

/// The database away.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outage {
    pub(crate) seconds: f64,
    /// Answered with 503 meanwhile.
    pub(crate) turned_away: u64,
    pub(crate) slowest_ms: f64,
    pub(crate) recovered_after_seconds: f64,
    /// Before and after, and all of them there.
    pub(crate) accepted_writes: u64,
}

/// Twice as many visitors as a site can serve, for ten seconds each time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Overload {
    pub(crate) of: String,
    pub(crate) rounds: u64,
    /// Most right answers a second, on average before and after each time.
    pub(crate) peak: f64,
    /// Right answers a second that came within a second, under overload.
    pub(crate) goodput: f64,
    /// With 503 and `Retry-After`.
    pub(crate) turned_away: u64,
    /// Of those who came afterwards, at half of the peak.
    pub(crate) failed_afterwards: u64,
}

const BEGIN: &str = "<!-- figures:begin -->\n";
const END: &str = "<!-- figures:end -->";

impl Figures {
    /// The figures as a table.
    pub(crate) fn table(&self) -> String {
        let Self { rolling, shared, killed, joined, outage, overloads, .. } = self;
        let shares: Vec<_> = shared.requests.iter().map(ToString::to_string).collect();
        let mut rows = vec![
            (
                "the first `docker compose up`, from built images".to_owned(),
                format!("everything is healthy, with data, after {:.1} s", self.start_seconds),
            ),
            (
                format!(
                    "every replica of every role restarted {} times, one by one within its role ({} \
                     restarts), at {:.0} pages a second, which is half of what both sites can do",
                    rolling.rounds, rolling.restarts, rolling.pages_per_second
                ),
                format!(
                    "{} of {} requests failed; {} jobs, each with its effect, and none twice",
                    rolling.failed, rolling.requests, rolling.jobs
                ),
            ),
            ("load on three backends".to_owned(), format!("{} requests", shares.join(", "))),
            (
                "one of three backends killed".to_owned(),
                format!("{} of {} pages failed", killed.failed, killed.requests),
            ),
            (
                "one more backend".to_owned(),
                format!("has its first request {:.1} s after it is ready", joined.seconds),
            ),
            (
                format!("the database away for {:.0} s", outage.seconds),
                format!(
                    "{} visitors told so with 503, each within {:.2} s; full service {:.1} s after \
                     its return; {} writes accepted before and after, none of them lost",
                    outage.turned_away,
                    outage.slowest_ms / 1e3,
                    outage.recovered_after_seconds,
                    outage.accepted_writes
                ),
            ),
        ];
        rows.extend(overloads.iter().map(|overload| {
            (
                format!(
                    "{} times ten seconds of twice as many visitors as can be served ({}: {:.0} a second)",
                    overload.rounds, overload.of, overload.peak
                ),
                format!(
                    "{:.0} % of that are served in time, {} visitors turned away with 503 and \
                     `Retry-After`; afterwards, at half of it, {} fail",
                    overload.goodput / overload.peak * 100.0,
                    overload.turned_away,
                    overload.failed_afterwards
                ),
            )
        }));
        let rows = rows.iter().map(|(what, seen)| format!("| {what} | {seen} |\n"));
        let rows: String = rows.collect();
        format!("| what happens | what visitors see |\n|---|---|\n{rows}\nOn {}.\n", self.machine)
    }
}

/// A document with `what` between its markers.
pub(crate) fn between_markers(document: &str, what: &str) -> String {
    let (before, rest) = document.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    format!("{before}{BEGIN}{what}{END}{after}")
}
