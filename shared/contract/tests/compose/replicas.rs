//! Several replicas of each server, and visitors who must not notice what happens to them: restarted
//! one by one, killed, joined by another, cut off from the database, asked for more than they can do.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    engine::{Composition, eventually},
    figures::{Figures, Overload},
    visitors::{Load, Outcome, Visit, failed, in_turns, open, summary},
    visits::{BALANCED, FORM, MONOLITH, SPLIT, Visits, nobody_failed, publishes, text},
};

/// How many there are of each. More than one, so that one can be missed; three backends, whose
/// shares are compared.
const SCALE: [&str; 4] = ["monolith=2", "split-frontend=2", BACKENDS, "split-worker=2"];
const BACKENDS: &str = "split-backend=3";

/// How often every replica is restarted, unless `COMPOSE_ROLLING_RESTARTS` says otherwise.
const ROUNDS: u64 = 2;

/// How long the database is away, and how soon after its return everybody is served again.
const OUTAGE: Duration = Duration::from_secs(20);
const RECOVERY: Duration = Duration::from_secs(5);

/// Who comes later than that has gone elsewhere.
const IN_TIME: Duration = Duration::from_secs(1);

/// By how much a replica's share of the load may differ from an equal one.
const UNEQUAL: f64 = 0.1;

/// Both architectures with replicas; each step gets them as they were before.
pub(crate) fn visitors_notice_nothing(composition: &mut Composition, figures: &mut Figures) {
    composition.override_with("jobs.json", &with_jobs(composition.folder()));
    scaled(composition, &[]);
    let mut visits = Visits::to(composition);
    visits.find_rate();
    figures.machine = machine();
    let mut step = |name: &str, step: fn(&Composition, &Visits, &mut Figures)| {
        let start = Instant::now();
        step(composition, &visits, figures);
        println!("{name}: {:.1?}", start.elapsed());
    };
    step("restarted", replicas_are_restarted_one_by_one);
    step("shared", the_backends_share_the_load);
    step("killed", one_that_is_killed_takes_no_reader_along);
    step("cut off", an_outage_of_the_database_loses_nothing);
    step("overloaded", too_many_visitors_keep_nobody_else_waiting);
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = cpus.lines().filter_map(|line| line.strip_prefix("model name"));
    let models: Vec<_> = models.map(|model| model.trim_start_matches(['\t', ' ', ':'])).collect();
    let commit =
        std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = commit.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    format!(
        "{} ({} cores), commit {}",
        models.first().unwrap_or(&"an unknown machine"),
        models.len(),
        commit.as_deref().unwrap_or("unknown").trim()
    )
}

/// How long an answer may take beside others who use the machine, seconds.
const PATIENT: &str = "8";

/// An override file that gives each comment a job, whose effects are counted in the database.
fn with_jobs(folder: &Path) -> Value {
    let file = folder.join("lab.json");
    let jobs = json!({ "jobs": { "with_each_comment": { "sleep_ms": 250 } } });
    fs::write(&file, jobs.to_string()).expect("the lab's file");
    let patient = if publishes() { json!({}) } else { json!({ "PAGE_SECONDS": PATIENT }) };
    let mut services = json!({ "split-frontend": { "environment": patient } });
    for name in ["monolith", "split-backend", "split-worker"] {
        services[name] = json!({
            "environment": patient,
            "volumes": [{ "type": "bind", "source": file, "target": "/lab.json", "read_only": true }],
        });
        services[name]["environment"]["LAB_FILE"] = json!("/lab.json");
    }
    json!({ "services": services })
}

fn scaled(composition: &Composition, env: &[(&str, &str)]) {
    let mut up = vec!["up", "--detach", "--no-build", "--wait"];
    up.extend(SCALE.iter().flat_map(|scale| ["--scale", scale]));
    composition.compose(env, &up);
}

fn replicas_are_restarted_one_by_one(
    composition: &Composition,
    visits: &Visits,
    figures: &mut Figures,
) {
    let rounds = std::env::var("COMPOSE_ROLLING_RESTARTS")
        .map_or(ROUNDS, |text| text.parse().expect("COMPOSE_ROLLING_RESTARTS: a number"));
    let load = visits.stream(visits.rate);
    for _ in 0..rounds {
        // Both architectures at a time; the split's roles from front to back.
        let (monolith, split) = SCALE.split_at(1);
        thread::scope(|scope| {
            for roles in [monolith, split] {
                scope.spawn(move || {
                    for role in roles {
                        restart_one_by_one(composition, role);
                    }
                });
            }
        });
    }
    let outcomes = load.stop();
    figures.rolling.failed = failed(&outcomes).len() as u64;
    if figures.rolling.failed > 0 {
        for server in BALANCED {
            println!("{server}: {}", composition.balancer_log(server));
        }
    }
    nobody_failed(&outcomes);
    let jobs = every_write_had_its_effect_once(composition, &outcomes);
    figures.rolling.rounds = rounds;
    figures.rolling.restarts = rounds
        * SCALE.map(|scale| composition.replicas(role(scale)).len() as u64).iter().sum::<u64>();
    figures.rolling.pages_per_second = visits.rate * visits.readers.len() as f64;
    figures.rolling.requests = outcomes.len() as u64;
    figures.rolling.jobs = jobs;
    println!("{:?}", figures.rolling);
}

/// The rolling restart of one role, as `docs/deploy.md` describes it.
fn restart_one_by_one(composition: &Composition, scale: &str) {
    for replica in composition.replicas(role(scale)) {
        composition.on_container("stop", &replica);
        let ended = composition.inspect(&replica);
        assert_eq!(*ended.at("/State/ExitCode"), 0, "{scale}: it drained");
        restore(composition, scale);
    }
}

/// Starts what is missing of a role, and waits until all of it is healthy.
fn restore(composition: &Composition, scale: &str) {
    let up = ["up", "--detach", "--no-build", "--no-deps", "--no-recreate", "--wait"];
    composition.compose(&[], &[&up[..], &["--scale", scale, role(scale)]].concat());
}

fn role(scale: &str) -> &str {
    scale.split('=').next().unwrap_or_default()
}

/// Nothing that was accepted is lost, every comment's job has had its effect, and none twice. Gives the
/// number of jobs.
fn every_write_had_its_effect_once(composition: &Composition, outcomes: &[Outcome]) -> u64 {
    let mut jobs = 0;
    for (database, of_split) in [("monolith", false), ("split", true)] {
        let open = "select count(*) from job where kind = 'synthetic'";
        eventually("no job is left", || composition.sql(database, open) == "0");
        // Comment → how often its job had its effect.
        let effects = composition.sql(
            database,
            "select body || ' ' || coalesce(sum(times), 0) from comment
             left join synthetic_effect on number = comment.id
             where body like 'visitor-%' group by comment.id, body",
        );
        let effects: BTreeMap<_, _> =
            effects.lines().map(|line| line.split_once(' ').expect("two columns")).collect();
        let odd: Vec<_> = effects.iter().filter(|(_, times)| **times != "1").collect();
        assert!(odd.is_empty(), "{database}: jobs without an effect, or with more: {odd:?}");
        let accepted = outcomes.iter().filter(|outcome| {
            let wrote = outcome.visit.starts_with("comment") || outcome.visit == FORM;
            wrote && outcome.is_right() && outcome.visit.contains("split") == of_split
        });
        for outcome in accepted {
            let text = text(outcome.number);
            assert!(effects.contains_key(text.as_str()), "{database} has lost {text}");
            jobs += 1;
        }
    }
    jobs
}

/// How many requests each of a service's replicas has answered.
fn answered(composition: &Composition, service: &str) -> BTreeMap<String, u64> {
    let ask =
        "exec 3<>/dev/tcp/127.0.0.1/3000; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    let count = |id: String| {
        let metrics = composition.exec_in(&id, &["bash", "-c", ask]);
        let counts =
            metrics.lines().filter(|line| line.starts_with("conduit_http_requests_total{"));
        let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        (id, counts.sum())
    };
    composition.replicas(service).into_iter().map(count).collect()
}

/// Sends pages of the split until each of these backends has had some.
fn until_all_have_had_some(composition: &Composition, visits: &Visits) {
    let before = answered(composition, "split-backend");
    eventually("every backend gets requests", || {
        nobody_failed(&in_turns(&visits.readers[1..], 4, 20).0);
        let now = answered(composition, "split-backend");
        now.iter().all(|(id, count)| *count > before.get(id).copied().unwrap_or(0))
    });
}

fn the_backends_share_the_load(composition: &Composition, visits: &Visits, figures: &mut Figures) {
    until_all_have_had_some(composition, visits);
    let before = answered(composition, "split-backend");
    let (outcomes, _) = in_turns(&visits.readers[1..], 8, 400);
    nobody_failed(&outcomes);
    let after = answered(composition, "split-backend");
    let shares: Vec<_> = after.iter().map(|(id, count)| count - before[id]).collect();
    let equal = shares.iter().sum::<u64>() as f64 / shares.len() as f64;
    let off = |share: &u64| (*share as f64 / equal - 1.0).abs();
    let most = shares.iter().map(off).fold(0.0, f64::max);
    assert!(shares.len() == 3 && most <= UNEQUAL, "{shares:?}");
    figures.shared.requests = shares;
}

fn one_that_is_killed_takes_no_reader_along(
    composition: &Composition,
    visits: &Visits,
    figures: &mut Figures,
) {
    let readers = visits.readers.iter().map(|visit| (visit.clone(), visits.rate)).collect();
    let mut load = Load::start(readers);
    load.more(100);
    let killed = composition.replicas("split-backend").remove(0);
    composition.on_container("kill", &killed);
    load.more((visits.rate * 4.0) as usize);

    // Another one joins while they come.
    let before = answered(composition, "split-backend");
    restore(composition, BACKENDS);
    let ready = Instant::now();
    eventually("the new backend takes load", || {
        let now = answered(composition, "split-backend");
        now.len() == 3
            && now.iter().all(|(id, count)| *count > before.get(id).copied().unwrap_or(0))
    });
    figures.joined.seconds = ready.elapsed().as_secs_f64();

    let outcomes = load.stop();
    figures.killed.failed = failed(&outcomes).len() as u64;
    nobody_failed(&outcomes);
    figures.killed.requests = outcomes.len() as u64;
    println!("{:?}, {:?}", figures.killed, figures.joined);
}

fn an_outage_of_the_database_loses_nothing(
    composition: &Composition,
    visits: &Visits,
    figures: &mut Figures,
) {
    let mut load = visits.stream(visits.rate / 2.0);
    load.more(100);
    composition.compose(&[], &["stop", "postgres"]);
    let stopped = Instant::now();
    let mut told = Vec::new();
    while stopped.elapsed() < OUTAGE {
        told.extend(load.more(20).iter().filter(|outcome| outcome.came > stopped).cloned());
    }
    // Everybody is told, and nobody is told anything else.
    assert!(told.iter().all(|outcome| outcome.status == Ok(503)), "{:?}", summary(&told));
    let slowest = told.iter().map(|outcome| outcome.took).max().unwrap_or_default();

    composition.compose(&[], &["start", "postgres"]);
    let started = Instant::now();
    // Whole again: so many in a row that each server has answered many times.
    let (mut row, mut whole) = (0, started);
    while row < 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "the servers do not recover");
        for outcome in load.more(1).to_vec() {
            if outcome.is_right() {
                row += 1;
            } else {
                (row, whole) = (0, Instant::now());
            }
        }
    }
    let recovered = whole.duration_since(started);
    assert!(recovered <= RECOVERY, "recovered only after {recovered:.1?}");
    let outcomes = load.stop();
    let jobs = every_write_had_its_effect_once(composition, &outcomes);
    for server in BALANCED {
        for replica in composition.replicas(server) {
            assert_eq!(composition.inspect(&replica).restarts(), 0, "{server} stayed up");
        }
    }
    figures.outage.seconds = OUTAGE.as_secs_f64();
    figures.outage.turned_away = told.len() as u64;
    figures.outage.slowest_ms = slowest.as_secs_f64() * 1e3;
    figures.outage.recovered_after_seconds = recovered.as_secs_f64();
    figures.outage.accepted_writes = jobs;
    println!("{:?}, {:?}", figures.outage, summary(&outcomes));
}

/// On a fifth of a core for each server, so that it is they who have too much to do, and neither the
/// database nor the visitors, who all share the machine.
fn too_many_visitors_keep_nobody_else_waiting(
    composition: &Composition,
    _: &Visits,
    figures: &mut Figures,
) {
    let mut up = vec!["up", "--detach", "--no-build", "--wait"];
    for role in ["monolith=1", "split-frontend=1", "split-backend=1", "split-worker=1"] {
        up.extend(["--scale", role]);
    }
    // A quota is spent in a burst, once every 100 ms. What is in hand when it is granted has to last
    // for the burst, or some of it is lost for want of work.
    let small =
        [("SERVER_CPUS", "0.2"), ("MAX_IN_FLIGHT", "128"), ("FRONTEND_MAX_IN_FLIGHT", "42")];
    composition.compose(&small, &up);
    // With new containers come new ports.
    let visits = Visits::to(composition);
    // The machine is not the same from one second to the next, so what can be served is seen before and
    // after each overload.
    let (rounds, seconds) = if publishes() { (3, 10.0) } else { (1, 4.0) };
    for visit in &visits.readers {
        in_turns(std::slice::from_ref(visit), 8, 200);
        let mut peaks = vec![peak(visit)];
        let (mut in_time, mut shed) = (0, 0);
        for _ in 0..rounds {
            let outcomes = overload(visit, peaks[peaks.len() - 1], seconds);
            let served = served_in_time(&outcomes);
            assert!(served > 0, "nobody is served");
            (in_time, shed) = (in_time + served, shed + turned_away_in_order(&outcomes));
            peaks.push(peak(visit));
            println!("peaks {peaks:.0?}/s, {:?}, {served} in time", summary(&outcomes));
        }
        let peak = peaks.iter().sum::<f64>() / peaks.len() as f64;
        let failed_afterwards = failed(&open(visit, peak / 2.0, 3.0)).len() as u64;
        eventually("everybody is served again", || {
            failed(&open(visit, peak / 4.0, 2.0)).is_empty()
        });
        figures.overloads.push(Overload {
            of: visit.name.to_owned(),
            rounds,
            peak,
            goodput: in_time as f64 / (rounds as f64 * seconds),
            turned_away: shed,
            failed_afterwards,
        });
    }
    assert_eq!(figures.overloads.len(), [MONOLITH, SPLIT].len());
}

/// Right answers a second that come in time, when nobody comes who can't be served.
fn peak(visit: &Visit) -> f64 {
    let (outcomes, rate) = in_turns(std::slice::from_ref(visit), 8, 800);
    rate * served_in_time(&outcomes) as f64 / outcomes.len() as f64
}

/// What becomes of twice as many as can be served; of more, if it was in the way of the machine that it
/// looked as if it could serve less than it can.
fn overload(visit: &Visit, peak: f64, seconds: f64) -> Vec<Outcome> {
    let outcomes = [2.0, 4.0, 8.0].map(|times| peak * times).into_iter();
    let mut outcomes = outcomes.map(|rate| open(visit, rate, seconds));
    outcomes.find(|outcomes| !failed(outcomes).is_empty()).expect("somebody is turned away")
}

fn served_in_time(outcomes: &[Outcome]) -> u64 {
    let in_time = outcomes.iter().filter(|it| it.is_right() && it.took <= IN_TIME);
    in_time.count() as u64
}

/// How many were turned away, all of them with 503 and `Retry-After`.
fn turned_away_in_order(outcomes: &[Outcome]) -> u64 {
    let others = failed(outcomes);
    let shed = others.iter().filter(|it| it.status == Ok(503) && it.retry_after).count();
    assert!(
        shed == others.len(),
        "{shed} of {} turned away in order: {:?}",
        others.len(),
        summary(others)
    );
    shed as u64
}
