//! The lab's load generator beside two that everybody knows, in pairs, against the same server, from
//! the same core: `oha` for how much a generator can send and for the latencies that it reports, `wrk`
//! for what its requests cost the server. What the lab finds must not hang on who asks.

use std::{process::Command, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use http::{Request, Uri};
use nix::{
    sys::resource::{UsageWho, getrusage},
    sys::time::TimeValLike,
    unistd::getpid,
};
use serde::{Deserialize, Serialize};

use crate::{
    affinity,
    databases::Engine,
    fleet::System,
    load::{Arrival, Body, Connections, Generator, Tally, Target, Times},
    probe::{self, Reading},
    progress,
    record::Arm,
    site::Site,
    stats::{Estimate, Resamples, median, rounded, weighted_mean},
};

/// How many ask at once where each waits for its answer.
const VISITORS: usize = 8;

/// Requests of one measurement of a static file, and of a home page.
const STATIC: usize = 20_000;
const HOME: usize = 5_000;

/// Home pages a second where a rate is kept, and for how long, seconds.
const RATE: usize = 500;
const SECONDS: usize = 4;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    /// Requests for a static file, in one second of the generator's CPU. The more the better.
    Rate,
    /// Median latency of home pages at a fixed rate, from when each was due, milliseconds.
    Latency,
    /// The same from when the generator's timer had woken it. This is what oha calls corrected latency:
    /// how late its own timer is, it does not count.
    Service,
    /// CPU of the server for one home page, milliseconds.
    Cost,
}

/// The lab's generator and another one, in one ability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// What is compared.
    pub ability: Ability,
    /// The other one, with its version.
    pub other: String,
    /// The median of each: the lab's, and the other's.
    pub levels: [f64; 2],
    /// The lab's against the other's, with its 95 % interval over pairs.
    pub ratio: Estimate,
    /// How many pairs.
    pub pairs: u32,
}

impl Ability {
    const ALL: [Self; 4] = [Self::Rate, Self::Latency, Self::Service, Self::Cost];

    /// Between which bounds the ratio has to be, with its whole interval.
    pub fn bounds(self) -> [f64; 2] {
        match self {
            Self::Rate => [1.0, f64::INFINITY],
            Self::Latency | Self::Service => [0.9, 1.1],
            Self::Cost => [0.95, 1.05],
        }
    }

    /// How many pairs: the more, the nearer to each other the two have to be.
    fn pairs(self) -> u32 {
        match self {
            Self::Rate => 12,
            Self::Latency | Self::Service => 24,
            Self::Cost => 96,
        }
    }

    fn rival(self) -> Rival {
        match self {
            Self::Rate | Self::Latency | Self::Service => Rival::Oha,
            Self::Cost => Rival::Wrk,
        }
    }
}

impl Beside {
    /// Whether it is as it has to be; nothing where the interval holds a bound.
    pub fn holds(&self) -> Option<bool> {
        let [least, most] = self.ability.bounds();
        let Estimate { low, high, .. } = self.ratio;
        if low >= least && high <= most {
            Some(true)
        } else {
            (high < least || low > most).then_some(false)
        }
    }
}

/// Another load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rival {
    Oha,
    Wrk,
}

impl Rival {
    fn program(self) -> &'static str {
        match self {
            Self::Oha => "oha",
            Self::Wrk => "wrk",
        }
    }

    /// Name and version.
    fn version(self) -> anyhow::Result<String> {
        let missing = match self {
            Self::Oha => "oha is not installed; `cargo install --locked oha` does it",
            Self::Wrk => "wrk is not installed; your system has a package of that name",
        };
        // wrk says its version and exits with 1.
        let said = Command::new(self.program()).arg("--version").output().context(missing)?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = said.split_whitespace().nth(1).unwrap_or_default();
        Ok(format!("{} {version}", self.program()))
    }
}

/// Compares the lab's generator with the others.
///
/// # Errors
/// One line: what is missing, or which answer was wrong.
pub async fn generators() -> anyhow::Result<Vec<Beside>> {
    let mut others = Vec::new();
    for ability in Ability::ALL {
        others.push((ability, ability.rival().version()?));
    }
    let engine = Engine::Sqlite;
    let mut site = Site::build(&engine, affinity::layout(&affinity::cores()?)).await?;
    let arm = Arm::Monolith;
    let databases = site.seeded.copies("generators", &[arm], &mut site.guardian).await?;
    let mut fleet = site.rig.start(&databases, &[arm], "generators").await?;
    let system = fleet.system(arm)?;
    let bench = Bench { generator: Generator::start()?, system };
    let mut rows = Vec::new();
    for (ability, other) in others {
        let pairs = bench.pairs(ability, &other);
        let pairs = fleet.unless_one_dies(pairs).await?;
        rows.push(row(ability, other, &pairs).context("fewer than two pairs")?);
    }
    fleet.stop().await?;
    Ok(rows)
}

fn row(ability: Ability, other: String, pairs: &[[f64; 2]]) -> Option<Beside> {
    let ratios: Vec<f64> = pairs.iter().map(|[lab, other]| (lab / other).ln()).collect();
    let resamples = Resamples::new(1, ratios.len(), 10_000);
    let [found] = resamples.intervals(0.95, |weights| [weighted_mean(&ratios, weights)])?;
    let level = |side: usize| median(pairs.iter().map(|pair| pair[side]).collect());
    Some(Beside {
        ability,
        other,
        levels: [level(0)?, level(1)?],
        ratio: found.map(|log| rounded(log.exp())),
        pairs: pairs.len() as u32,
    })
}

struct Bench {
    generator: Generator,
    system: System,
}

impl Bench {
    async fn pairs(&self, ability: Ability, other: &str) -> anyhow::Result<Vec<[f64; 2]>> {
        let file = self.static_file().await?;
        let home = Uri::from_static("/");
        let path = if ability == Ability::Rate { file } else { home };
        self.generator.crowd(self.target(&path)).await?;
        let number = ability.pairs();
        let mut pairs = Vec::new();
        for pair in 0..number {
            let what = format!("{ability:?}, the lab and {other}, {} of {number}", pair + 1);
            progress::say("Comparing", &what);
            let mut both = [0.0; 2];
            // Who is first changes.
            for turn in [pair % 2, 1 - pair % 2] {
                both[turn as usize] = match (turn, ability) {
                    (0, Ability::Rate) => self.lab_rate(&path).await?,
                    (0, Ability::Latency) => self.lab_latency(&path, |it| &it.latency).await?,
                    (0, Ability::Service) => self.lab_latency(&path, |it| &it.service).await?,
                    (0, Ability::Cost) => self.lab_cost(&path).await?,
                    (_, Ability::Rate) => self.oha_rate(&path).await?,
                    (_, Ability::Latency | Ability::Service) => self.oha_latency(&path).await?,
                    (_, Ability::Cost) => self.wrk_cost(&path).await?,
                };
            }
            pairs.push(both);
        }
        Ok(pairs)
    }

    fn target(&self, path: &Uri) -> Target {
        Target { server: self.system.front, paths: Arc::from([path.clone()]) }
    }

    fn url(&self, path: &Uri) -> String {
        format!("http://{}{path}", self.system.front)
    }

    /// The style sheet that pages name.
    async fn static_file(&self) -> anyhow::Result<Uri> {
        let mut request = Request::new(Body::default());
        *request.uri_mut() = Uri::from_static("/");
        let answer = Connections::new(self.system.front).send(request).await?;
        let page = String::from_utf8_lossy(&answer.body);
        let (_, rest) =
            page.split_once("href=\"/static/").context("a page without a style sheet")?;
        let name = rest.split('"').next().unwrap_or_default();
        Ok(format!("/static/{name}").parse()?)
    }

    async fn lab_turns(&self, path: &Uri, requests: usize) -> anyhow::Result<()> {
        let tally = self.generator.turns(self.target(path), VISITORS, requests).await?;
        all_right(&tally, requests)
    }

    async fn lab_rate(&self, path: &Uri) -> anyhow::Result<f64> {
        let before = probe::process_cpu_ms(getpid())?;
        self.lab_turns(path, STATIC).await?;
        Ok(STATIC as f64 / (probe::process_cpu_ms(getpid())? - before) * 1e3)
    }

    async fn oha_rate(&self, path: &Uri) -> anyhow::Result<f64> {
        let before = children_cpu_ms()?;
        let visitors = VISITORS.to_string();
        self.oha(path, &["-n", &STATIC.to_string(), "-c", &visitors]).await?;
        Ok(STATIC as f64 / (children_cpu_ms()? - before) * 1e3)
    }

    async fn lab_latency(&self, path: &Uri, times: fn(&Tally) -> &Times) -> anyhow::Result<f64> {
        // Evenly, as oha does it.
        let requests = RATE * SECONDS;
        let at = |number: usize| Duration::from_secs_f64(number as f64 / RATE as f64);
        let arrivals = (0..requests).map(|number| Arrival { at: at(number), address: 0 });
        let tally = self.generator.open(self.target(path), arrivals.collect()).await?;
        all_right(&tally, requests)?;
        Ok(times(&tally).quantile_us(0.5) as f64 / 1e3)
    }

    async fn oha_latency(&self, path: &Uri) -> anyhow::Result<f64> {
        let (rate, requests) = (RATE.to_string(), (RATE * SECONDS).to_string());
        let args = ["-n", &requests, "-c", "16", "-q", &rate, "--latency-correction"];
        let said = self.oha(path, &args).await?;
        let p50 = said.pointer("/latencyPercentiles/p50").and_then(serde_json::Value::as_f64);
        Ok(p50.context("oha does not say its p50")? * 1e3)
    }

    async fn lab_cost(&self, path: &Uri) -> anyhow::Result<f64> {
        let before = self.server_clock()?;
        self.lab_turns(path, HOME).await?;
        Ok(self.used_since(&before)? / HOME as f64)
    }

    async fn wrk_cost(&self, path: &Uri) -> anyhow::Result<f64> {
        // wrk knows no number of requests. It says how many there were.
        let before = self.server_clock()?;
        let visitors = VISITORS.to_string();
        let args = ["-t1", "-c", &visitors, "-d2s", &self.url(path)].map(str::to_owned);
        let said = run(Rival::Wrk, args.to_vec()).await?;
        let used = self.used_since(&before)?;
        ensure!(!said.contains("Non-2xx"), "wrk got wrong answers: {said}");
        let line = said.lines().find(|line| line.contains(" requests in "));
        let requests = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(used / requests.context("wrk does not say how many requests it made")?)
    }

    fn server_clock(&self) -> anyhow::Result<Reading> {
        probe::read(&self.system.watched())
    }

    /// CPU of the server, milliseconds.
    fn used_since(&self, before: &Reading) -> anyhow::Result<f64> {
        Ok(before.until(&self.server_clock()?).cpu_ms.values().sum())
    }

    async fn oha(&self, path: &Uri, args: &[&str]) -> anyhow::Result<serde_json::Value> {
        let fixed = ["--no-tui", "--disable-compression", "--output-format", "json"];
        let args = fixed.iter().chain(args).map(ToString::to_string).chain([self.url(path)]);
        let said = run(Rival::Oha, args.collect()).await?;
        let said: serde_json::Value = serde_json::from_str(&said).context("oha's JSON")?;
        let right = said.pointer("/summary/successRate").and_then(serde_json::Value::as_f64);
        ensure!(
            right == Some(1.0),
            "oha got wrong answers: {:?}",
            said.pointer("/errorDistribution")
        );
        Ok(said)
    }
}

fn all_right(tally: &Tally, requests: usize) -> anyhow::Result<()> {
    ensure!(tally.completed == requests as u64, "wrong answers: {:?}", tally.errors);
    Ok(())
}

/// Runs it to its end, on this thread's cores.
async fn run(rival: Rival, args: Vec<String>) -> anyhow::Result<String> {
    let program = rival.program();
    let run = move || Command::new(program).args(args).output();
    let output = tokio::task::spawn_blocking(run).await?.context(program)?;
    ensure!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("failed")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// CPU of all children that have ended, user and system.
fn children_cpu_ms() -> anyhow::Result<f64> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    Ok(us as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(ability: Ability, pairs: &[[f64; 2]]) -> Beside {
        row(ability, "oha 1.16".into(), pairs).unwrap()
    }

    #[test]
    fn pairs_are_compared_one_by_one() {
        // The machine became half as fast in between: no pair notices.
        let found = beside(Ability::Cost, &[[1.0, 1.0], [2.0, 2.02], [2.0, 1.98]]);
        assert!((found.ratio.value - 1.0).abs() < 0.001, "{found:?}");
        assert_eq!(found.levels, [2.0, 1.98]);
        assert_eq!(found.holds(), Some(true));
    }

    #[test]
    fn what_is_not_as_it_has_to_be_is_told_from_what_is_not_known() {
        assert_eq!(beside(Ability::Rate, &[[8.0, 9.0], [8.1, 9.1]]).holds(), Some(false));
        assert_eq!(beside(Ability::Rate, &[[9.9, 9.0], [8.1, 9.1]]).holds(), None);
        assert_eq!(beside(Ability::Rate, &[[19.9, 9.0], [19.8, 9.1]]).holds(), Some(true));
        assert_eq!(beside(Ability::Latency, &[[1.2, 1.0], [1.21, 1.0]]).holds(), Some(false));
    }
}
