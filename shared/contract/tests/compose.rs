//! The repository's own `docker-compose.yml`, run for real: what the README promises of it, and what
//! happens when something in it is broken.
//!
//! It is one test of several steps, because a composition takes its time to start. It needs a
//! container engine, and curl; see `compose/engine.rs` for how it finds the one and for the two
//! variables that decide what is built.

#[path = "compose/engine.rs"]
mod engine;
#[path = "compose/figures.rs"]
mod figures;
#[path = "compose/replicas.rs"]
mod replicas;
#[path = "compose/visitors.rs"]
mod visitors;
#[path = "compose/visits.rs"]
mod visits;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use contract::dataset::PASSWORD;
use engine::{Composition, Engine, eventually};
use figures::{Figures, between_markers};
use serde_json::{Value, json};

/// From built images to everything healthy, with new databases to create and to fill, on a machine that
/// has nothing else to do: figures of one that takes longer are not published.
const START: Duration = Duration::from_secs(20);

/// The same beside others.
const START_BESIDE_OTHERS: Duration = Duration::from_secs(60);

/// What an image may have, bytes.
const IMAGE: u64 = 120_000_000;

/// How often a failing server is started again: `restart` in the compose file.
const RESTARTS: u64 = 3;

const SERVERS: [&str; 3] = ["monolith", "split-frontend", "split-backend"];

#[test]
fn the_composition_keeps_its_promises() {
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(missing) => {
            let required = std::env::var("CONDUIT_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!(required && Engine::is_promised()), "the container engine: {missing}");
            println!("ignored: needs a container engine ({missing})");
            return;
        }
    };
    if let Some(succeeded) = engine.test_where_ports_are("the_composition_keeps_its_promises") {
        return assert!(succeeded, "see above");
    }
    let mut composition = Composition::new(engine);
    let observed = [("COMPOSE_PROFILES", "monolith,split,observe")];
    composition.compose(&observed, &["config", "--quiet"]);
    what_does_not_run_can_not_be_measured(&composition);
    composition.build();

    let took = composition.up();
    println!("up after {took:.1?}");
    let most = if visits::publishes() { START } else { START_BESIDE_OTHERS };
    assert!(took <= most, "up only after {took:.1?}");
    let mut figures = Figures { start_seconds: took.as_secs_f64(), ..Figures::default() };

    for step in [
        both_sites_serve_the_seeded_pages,
        images_are_small_and_servers_are_confined,
        the_frontend_reaches_the_api_and_nothing_else,
        balancers_count_what_the_dashboard_shows,
        the_lab_measures_it_as_it_runs,
        the_lab_scales_it_and_puts_it_back,
        the_lab_has_it_do_jobs_and_leaves_nothing_behind,
        data_outlives_the_containers,
        a_bad_setting_is_said_once_and_not_for_ever,
        what_does_not_fit_is_not_started,
    ] {
        let start = Instant::now();
        step(&composition);
        println!("{:.1?}", start.elapsed());
    }
    replicas::visitors_notice_nothing(&mut composition, &mut figures);
    if visits::publishes() {
        publish(&composition, &figures);
    }
}

/// Where the figures stand, and where they are shown.
const PUBLISHED: [&str; 2] = ["docs/deploy/figures.json", "docs/deploy.md"];

/// Keeps figures.
fn publish(composition: &Composition, figures: &Figures) {
    let [file, document] = PUBLISHED.map(|path| composition.in_repository(path));
    let text = serde_json::to_string_pretty(figures).expect("JSON");
    fs::write(file, text + "\n").expect("the figures");
    let shown = fs::read_to_string(&document).expect("the document");
    fs::write(document, between_markers(&shown, &figures.table())).expect("the document");
}

fn both_sites_serve_the_seeded_pages(composition: &Composition) {
    let address = |service| composition.address(service);
    let (status, api) = composition.ask(&address("split-backend"), "/api/articles?limit=1", &[]);
    assert_eq!(status, 200);
    let api: Value = serde_json::from_str(&api).expect("JSON");
    assert_eq!(api["articlesCount"], 1_000);
    let slug = api["articles"][0]["slug"].as_str().expect("an article");

    for path in ["/", &format!("/article/{slug}")] {
        let [one, other] = ["monolith", "split-frontend"].map(|service| {
            let (status, page) = composition.ask(&address(service), path, &[]);
            assert_eq!(status, 200, "{service} {path}");
            page
        });
        assert!(one.contains(slug), "{path} shows the newest article");
        assert!(one == other, "{path} is the same on both sites");
    }
}

fn images_are_small_and_servers_are_confined(composition: &Composition) {
    for service in ["monolith", "split-frontend", "split-backend", "monolith-seed"] {
        let size = composition.image_size(service);
        println!("{service}: image of {} MB", size / 1_000_000);
        assert!(size <= IMAGE, "{service}: {size} bytes");
    }
    for server in SERVERS {
        let binaries = composition.exec(server, &["ls", "/usr/local/bin"]).1;
        assert_eq!(binaries.trim(), server, "one program an image");
        assert_eq!(composition.exec(server, &["id", "--user"]).1.trim(), "10001");
        let container = composition.container(server);
        assert_eq!(container.at("/HostConfig/ReadonlyRootfs"), true, "{server}");
        assert_eq!(*container.at("/HostConfig/CapDrop"), json!(["ALL"]), "{server}");
        assert_eq!(container.at("/HostConfig/Init"), true, "{server}");
        for limit in ["NanoCpus", "Memory", "PidsLimit"] {
            let limit = format!("/HostConfig/{limit}");
            assert!(container.at(&limit).as_u64() > Some(0), "{server}: {limit}");
        }
        let drain = 3 + 10;
        assert!(container.at("/Config/StopTimeout").as_u64() > Some(drain), "{server}");
        let check = json!(["CMD", format!("/usr/local/bin/{server}"), "healthcheck"]);
        assert_eq!(*container.at("/Config/Healthcheck/Test"), check);
        for file in ["/new", "/tmp/new", "/usr/local/bin/new"] {
            assert!(!composition.exec(server, &["touch", file]).0, "{server}: {file}");
        }
    }
}

fn the_frontend_reaches_the_api_and_nothing_else(composition: &Composition) {
    let postgres = composition.container("postgres");
    let networks = postgres.at("/NetworkSettings/Networks").as_object().expect("networks");
    let database = networks.values().next().expect("a network")["IPAddress"].clone();
    let database = database.as_str().expect("an address");

    // The image has no client for anything, but its shell can open a connection.
    let reaches = |service: &str, host: &str, port: u16| {
        let open = format!("exec 3<>/dev/tcp/{host}/{port}");
        composition.exec(service, &["timeout", "3", "bash", "-c", &open]).0
    };
    assert!(reaches("split-frontend", "api", 3000), "the probe works in the frontend");
    assert!(reaches("split-backend", database, 5432), "the probe finds the database");
    assert!(!reaches("split-frontend", database, 5432), "by its address");
    assert!(!reaches("split-frontend", "postgres", 5432), "by its name");

    let frontend = composition.container("split-frontend");
    assert_eq!(frontend.at("/Mounts").as_array().map(Vec::len), Some(0));
    let environment = |server| composition.exec(server, &["cat", "/proc/1/environ"]).1;
    let of_frontend = environment("split-frontend");
    assert!(of_frontend.contains("BACKEND_URL="), "{of_frontend}");
    let files = "cat /run/secrets/conduit/* /run/secrets/postgres/* 2>/dev/null || true";
    let secrets: String = ["split-backend", "monolith", "postgres"]
        .map(|service| composition.exec(service, &["sh", "-c", files]).1)
        .concat();
    let secrets: Vec<_> = secrets.lines().collect();
    assert!(secrets.len() >= 5, "four files of the servers, and the database's own");
    for word in ["postgres", "DATABASE", "PASSWORD", "SECRET"] {
        assert!(!of_frontend.contains(word), "{word} in the frontend's environment");
    }
    for server in ["split-frontend", "split-backend", "monolith", "postgres"] {
        let environment = environment(server);
        for secret in &secrets {
            assert!(!environment.contains(secret), "a secret in the environment of {server}");
        }
    }
}

/// The servers' part of it needs no composition, see `observe.rs`.
fn balancers_count_what_the_dashboard_shows(composition: &Composition) {
    let dashboard = composition.in_repository("docs/deploy/observe/dashboard.json");
    let dashboard = fs::read_to_string(dashboard).expect("the dashboard");
    let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: BTreeSet<_> = words.filter(|word| word.starts_with("haproxy_")).collect();
    assert!(!names.is_empty(), "the dashboard shows something of balancers");
    let ask = "exec 3<>/dev/tcp/split-frontend-balancer/8404
        printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3";
    let (asked, metrics) = composition.exec("split-frontend", &["bash", "-c", ask]);
    assert!(asked, "{metrics}");
    for name in names {
        let line = format!("{name}{{proxy=\"ready\"}} ");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

fn what_does_not_run_can_not_be_measured(composition: &Composition) {
    for (args, reason) in [
        (&["latency", "--compose"][..], "--compose: nothing runs; `docker compose up"),
        (&["scaling", "--compose"], "--compose: nothing runs; `docker compose up"),
        (
            &["scaling", "--compose", "--balancer", "haproxy"],
            "a composition has balancers of its own",
        ),
        (&["jobs", "--compose"], "--compose: nothing runs; `docker compose up"),
        (&["x6", "--compose"], "x6: needs servers of the lab's own"),
        (&["x1", "--compose", "--db", "sqlite"], "--compose: a composition has its own database"),
    ] {
        let output = composition.lab(&[&["run"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(matches!(errors[..], [line] if line.contains(reason)), "{said}");
        assert_eq!(said.lines().last(), errors.first().copied(), "{said}");
    }
}

fn the_lab_measures_it_as_it_runs(composition: &Composition) {
    let articles = |server: &str| {
        let list = composition.ask(&composition.address(server), "/api/articles?limit=20", &[]);
        assert_eq!(list.0, 200, "{server}: {}", list.1);
        list.1
    };
    let before = ["monolith", "split-backend"].map(articles);
    let output = composition.lab(&["run", "latency", "--preset", "smoke", "--compose"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let result = String::from_utf8_lossy(&output.stdout);
    assert!(result.contains("A composition, as it ran"), "{result}");
    let report = result.lines().find_map(|line| line.strip_prefix("report: "));
    let report = Path::new(report.expect("the report's path"));

    let text = fs::read_to_string(report).expect("the report");
    for part in ["docker compose", "image conduit-monolith of ", "no limit", "--compose --seed"] {
        assert!(text.contains(part), "the report says {part:?}");
    }
    // A number, or openly none: Docker may run where its processes can't be seen.
    let cost = result.lines().any(|line| line.trim_start().starts_with("home page, CPU per page"));
    assert!(cost != text.contains("there is no CPU per page"), "{result}");
    println!("CPU per page is {}", if cost { "measured" } else { "out of reach" });

    let verified =
        composition.lab(&["verify", report.parent().and_then(Path::to_str).expect("a folder")]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert_eq!(["monolith", "split-backend"].map(articles), before, "the data stay");
}

fn the_lab_scales_it_and_puts_it_back(composition: &Composition) {
    let output = composition.lab(&["run", "scaling", "--preset", "smoke", "--compose"]);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("the containers' control groups can't be read") {
        return println!("the lab can't scale it from here");
    }
    assert!(output.status.success(), "{said}");
    let result = String::from_utf8_lossy(&output.stdout);
    // However its lines are broken.
    let words = result.split_whitespace().collect::<Vec<_>>().join(" ");
    let setups = ["2 monoliths", "2 frontends + 1 backend", "1 frontend + 2 backends"];
    // Steps may be void: those in which the hypervisor took much are tried again.
    for part in setups.into_iter().chain(["MiB", "; 0 trials and"]) {
        assert!(words.contains(part), "{part}: {result}");
    }
    let report = result.lines().find_map(|line| line.strip_prefix("report: "));
    let report = Path::new(report.expect("the report's path"));
    let folder = report.parent().and_then(Path::to_str).expect("a folder");
    let verified = composition.lab(&["verify", folder]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let left = SERVERS.map(|server| composition.replicas(server).len());
    assert_eq!(left, [1; 3], "one container of each again");
}

fn the_lab_has_it_do_jobs_and_leaves_nothing_behind(composition: &Composition) {
    let in_both = |query: &str| ["monolith", "split"].map(|name| composition.sql(name, query));
    let comments =
        || in_both("select count(*) || ' comments, the last is ' || max(id) from comment");
    // In any order: Docker keeps to none.
    let sorted = |list: &Value| {
        let list = list.as_array().expect("a list").iter().map(Value::to_string);
        list.collect::<BTreeSet<_>>()
    };
    let servers = || {
        let made_from = |name| {
            let container = composition.container(name);
            let lists = ["/Config/Env", "/Mounts"].map(|pointer| sorted(container.at(pointer)));
            (container.at("/Image").clone(), container.at("/HostConfig/NanoCpus").clone(), lists)
        };
        ["monolith", "split-backend", "split-worker", "split-frontend"].map(made_from)
    };
    let before = (comments(), servers());
    let output = composition.lab(&["run", "jobs", "--preset", "smoke", "--compose"]);
    let said = String::from_utf8_lossy(&output.stderr);
    // Docker runs elsewhere, or keeps its networks to itself.
    if let Some(why) = said.lines().find(|line| line.contains("from here")) {
        return println!("the lab can't have it do jobs: {why}");
    }
    assert!(output.status.success(), "{said}");
    let result = String::from_utf8_lossy(&output.stdout);
    // However its lines are broken.
    let words = result.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["A composition, as it ran", "in a process of their own, by quota", " of 4 trials, "]
    {
        assert!(words.contains(part), "{part}: {result}");
    }
    assert!(words.contains("; 0 trials and "), "no trial is void: {result}");
    let report = result.lines().find_map(|line| line.strip_prefix("report: "));
    let report = Path::new(report.expect("the report's path"));
    let folder = report.parent().and_then(Path::to_str).expect("a folder");
    let verified = composition.lab(&["verify", folder]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    // Each comment's job was done, once.
    let done =
        in_both("select count(*) > 0 and min(times) = 1 and max(times) = 1 from synthetic_effect");
    assert_eq!(done, ["t", "t"]);
    assert!((comments(), servers()) == before, "all is as it was before");
}

/// Also proves that the secrets stay: a token of yesterday is good today.
fn data_outlives_the_containers(composition: &Composition) {
    let servers = ["monolith", "split-backend"];
    let new_user = format!(
        r#"{{"user":{{"username":"harbour","email":"harbour@example.com","password":"{PASSWORD}"}}}}"#
    );
    let json = ["--header", "content-type: application/json", "--data", &new_user];
    let tokens = servers.map(|server| {
        let (status, body) = composition.ask(&composition.address(server), "/api/users", &json);
        assert_eq!(status, 201, "{server}: {body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        format!("authorization: Token {}", body["user"]["token"].as_str().expect("a token"))
    });

    let answers = || {
        servers.map(|server| {
            let paths = ["/api/articles?limit=100", "/api/tags", "/api/profiles/harbour"];
            let address = composition.address(server);
            paths.map(|path| composition.ask(&address, path, &[]))
        })
    };
    let before = answers();
    assert!(before.as_flattened().iter().all(|(status, _)| *status == 200), "{before:?}");

    // Once with the same containers, once with new ones.
    for stop in ["stop", "down"] {
        composition.compose(&[], &[stop]);
        let took = composition.up();
        println!("up again after {stop} and {took:.1?}");
        assert!(answers() == before, "the data are what they were before {stop}");
        for (server, token) in servers.into_iter().zip(&tokens) {
            let address = composition.address(server);
            let (status, body) = composition.ask(&address, "/api/user", &["--header", token]);
            assert_eq!(status, 200, "{server}: {body}");
            assert!(body.contains("harbour@example.com"), "{body}");
        }
    }
}

/// One fault on top of the other, each found before the one that came first. Then another `up` makes
/// everything whole again.
fn a_bad_setting_is_said_once_and_not_for_ever(composition: &Composition) {
    let as_superuser = |sql: &str| {
        let psql = ["psql", "--username=postgres", "--command", sql];
        assert!(composition.exec("postgres", &psql).0, "{sql}");
    };
    as_superuser("alter role monolith connection limit 0");
    gives_up_saying(composition, "--database-url-file", "too many connections");
    as_superuser("alter role monolith password 'another'");
    gives_up_saying(composition, "--database-url-file", "password authentication failed");
    let remove = "rm /secrets/monolith/token-secret";
    composition.compose(&[], &["run", "--rm", "--no-TTY", "secrets", remove]);
    gives_up_saying(composition, "--token-secret-file", "token-secret");

    composition.up();
    assert_eq!(composition.ask(&composition.address("monolith"), "/", &[]).0, 200);
}

/// Starts the monolith alone: it says what is wrong, in one line at each of a few starts, and then
/// stays down.
fn gives_up_saying(composition: &Composition, setting: &str, reason: &str) {
    composition.compose(&[], &["stop", "monolith"]);
    let before = composition.log("monolith").len();
    composition.start_alone("monolith");
    eventually("the monolith gives up", || {
        let monolith = composition.container("monolith");
        monolith.has_ended() && monolith.restarts() == RESTARTS
    });
    let said = composition.log("monolith").split_off(before);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len() as u64, RESTARTS + 1, "one line a start: {said}");
    for line in lines {
        assert!(line.starts_with("error: ") && line.contains(setting), "{line}");
        assert!(line.contains(reason), "{line}");
    }
}

fn what_does_not_fit_is_not_started(composition: &Composition) {
    let up = ["up", "--detach", "--no-build", "--wait"];
    let taken = composition.address("split-frontend");
    let port = taken.rsplit(':').next().expect("a port");
    let output = composition.try_compose(&[("MONOLITH_PORT", port)], &up);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("already allocated"), "{said}");
    assert_eq!(composition.container("monolith").restarts(), 0, "it never ran");

    let output = composition.try_compose(&[("POSTGRES_MAX_CONNECTIONS", "20")], &up);
    assert!(!output.status.success());
    let said = composition.log("databases");
    let last = said.lines().last().expect("a line");
    assert!(last.starts_with("error: POSTGRES_MAX_CONNECTIONS has to be at least "), "{said}");
    assert_eq!(composition.container("databases").restarts(), 0);
}
