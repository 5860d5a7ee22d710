//! The profile `observe`, without its images: what is collected is there, what is shown is counted, and
//! nothing else needs any of it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use contract::process::{Server, binary, command, eventually};
use serde_json::Value;

const PROFILE: &str = "observe";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

fn yaml(path: &str) -> Value {
    yaml_serde::from_str(&read(path)).expect(path)
}

fn services() -> BTreeMap<String, Value> {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().unwrap();
    services.iter().map(|(name, service)| (name.clone(), service.clone())).collect()
}

fn observers() -> BTreeMap<String, Value> {
    let mut services = services();
    services.retain(|_, service| service["profiles"].to_string().contains(PROFILE));
    services
}

/// The texts of a list, or the keys of a table.
fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(all) => {
            all.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
        }
        Value::Object(all) => all.keys().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// The queries of the dashboard, with the title of the panel that each is in.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value =
        serde_json::from_str(&read("docs/deploy/observe/dashboard.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            queries.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    queries
}

/// The metrics that a query asks for.
fn metrics(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let prefixes = ["conduit_", "process_", "haproxy_"];
    let named = words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    named.map(str::to_owned).collect()
}

/// The values that a query has for a label.
fn label(query: &str, name: &str) -> Vec<String> {
    let parts = query.split(['{', ',']);
    let values = parts.filter_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let values = values.map(|value| value.trim_start_matches('~').split('"').nth(1).unwrap());
    values.flat_map(|values| values.split('|')).map(str::to_owned).collect()
}

/// Everything that the servers of both architectures show, when each of them has done something.
fn shown() -> BTreeSet<String> {
    let data = tempfile::tempdir().unwrap();
    let folder = |name: &str| data.path().join(name).to_str().unwrap().to_owned();
    let start = |program: &str, role: &str, more: &[(&str, &str)]| {
        let env = [&[("LISTEN", "127.0.0.1:0"), ("LOG", "off")], more].concat();
        Server::start(command(&binary(program), &[role], &env)).unwrap()
    };
    let monolith = start("monolith", "serve", &[("DATA_DIR", &folder("monolith"))]);
    let backend = start("split-backend", "serve", &[("DATA_DIR", &folder("split"))]);
    let url = format!("http://{}", backend.address);
    let frontend = start("split-frontend", "serve", &[("BACKEND_URL", &url)]);
    let worker = start("split-backend", "work", &[("DATA_DIR", &folder("split"))]);
    let mut all = BTreeSet::new();
    for server in [&monolith, &frontend] {
        assert_eq!(server.get("/").unwrap().status, 200);
    }
    for (server, wanted) in [
        (&monolith, "conduit_job_queue_depth"),
        (&backend, "conduit_http_request_seconds_count"),
        (&frontend, "conduit_backend_calls_total"),
        (&worker, "conduit_job_oldest_ready_seconds"),
    ] {
        eventually(wanted, || server.get("/metrics").unwrap().body.contains(wanted));
        let text = server.get("/metrics").unwrap().body;
        let names = text.lines().filter(|line| !line.starts_with('#'));
        all.extend(names.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned));
    }
    all
}

#[test]
fn what_the_dashboard_shows_is_counted() {
    let shown = shown();
    // Shows only when there was a job.
    let waits = "conduit_job_wait_seconds_bucket";
    let missing = |query: &str| {
        let names = metrics(query).into_iter();
        let names = names.filter(|name| !name.starts_with("haproxy_") && name != waits);
        names.filter(|name| !shown.contains(name)).collect::<Vec<_>>()
    };
    assert_eq!(missing("rate(conduit_pages_total[1m])"), ["conduit_pages_total"]);
    let queries = queries();
    assert!(queries.len() > 20, "{queries:#?}");
    for (panel, query) in &queries {
        assert_eq!(missing(query), Vec::<String>::new(), "{panel}: {query}\n{shown:#?}");
    }
}

#[test]
fn what_the_dashboard_asks_for_is_collected() {
    let collected = yaml("docs/deploy/observe/prometheus.yml");
    let collected = collected["scrape_configs"].as_array().unwrap();
    let jobs: BTreeSet<_> =
        collected.iter().map(|it| it["job_name"].as_str().unwrap().to_owned()).collect();
    let (services, observers) = (services(), observers());
    let prometheus = texts(&observers["prometheus"]["networks"]);
    for job in collected {
        let name = job["job_name"].as_str().unwrap();
        let target = &job["dns_sd_configs"][0];
        assert_eq!(target["names"], serde_json::json!([name]), "{name}");
        let service = services.get(name).unwrap_or_else(|| panic!("no service {name}"));
        let port = if name.ends_with("-balancer") { 8404 } else { 3000 };
        assert_eq!(target["port"], port, "{name}");
        let shared = texts(&service["networks"]).intersection(&prometheus).count();
        assert!(shared > 0, "Prometheus does not reach {name}");
    }
    // Every role of the servers, and each of the balancers.
    let roles = services.keys().filter(|name| {
        let is_role = |role: &str| name.as_str() == role || name.ends_with("-balancer");
        ["monolith", "split-frontend", "split-backend", "split-worker"].into_iter().any(is_role)
    });
    assert_eq!(jobs, roles.cloned().collect());

    let architectures: BTreeSet<_> = collected
        .iter()
        .map(|it| it["relabel_configs"][0]["replacement"].as_str().unwrap().to_owned())
        .collect();
    for (panel, query) in queries() {
        for (name, known) in [("job", &jobs), ("architecture", &architectures)] {
            for value in label(&query, name) {
                assert!(known.contains(&value), "{panel}: {name}={value}");
            }
        }
    }
}

#[test]
fn nothing_needs_it_and_it_can_do_no_more_than_it_has_to() {
    let observers = observers();
    assert_eq!(texts(&serde_json::to_value(&observers).unwrap()).len(), 4);
    for (name, service) in services() {
        let needs = texts(&service["depends_on"]);
        let own = observers.contains_key(&name);
        assert!(own || needs.iter().all(|it| !observers.contains_key(it)), "{name}: {needs:?}");
    }
    for (name, service) in observers {
        assert_eq!(service["profiles"], serde_json::json!([PROFILE]), "{name}");
        let (image, version) = service["image"].as_str().unwrap().rsplit_once(':').unwrap();
        let fixed = version.trim_start_matches('v').split('.').count() == 3;
        assert!(fixed && !image.contains('@'), "{name}: {image} {version}");
        assert_eq!(service["<<"]["read_only"], true, "{name}");
        assert_eq!(service["<<"]["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert!(service["mem_limit"].is_string(), "{name}");
        for volume in texts(&service["volumes"]) {
            let (file, rest) = volume.split_once(':').unwrap();
            assert!(root().join(file).is_file() && rest.ends_with(":ro"), "{name}: {volume}");
        }
    }
}

#[test]
fn its_settings_are_those_of_the_compose_file_and_lead_to_its_services() {
    let settings = read("docs/deploy/observe/settings.env");
    let settings: BTreeMap<_, _> = settings
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    let compose = read("docker-compose.yml");
    for name in settings.keys().filter(|name| **name != "COMPOSE_PROFILES") {
        let handed_on = [format!("${{{name}:-"), format!("  {name}:\n")];
        assert!(handed_on.iter().any(|form| compose.contains(form)), "{name}");
    }
    assert_eq!(settings["COMPOSE_PROFILES"], "monolith,split,observe");

    let jaeger = yaml("docs/deploy/observe/jaeger.yaml");
    let listens = |value: &Value| value.as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let takes = listens(&jaeger["receivers"]["otlp"]["protocols"]["http"]["endpoint"]);
    assert_eq!(settings["OTEL_EXPORTER_OTLP_ENDPOINT"], format!("http://jaeger:{takes}"));
    assert_eq!(settings["SMTP_URL"], "smtp://mailpit:1025");
    let shows = listens(&jaeger["extensions"]["jaeger_query"]["http"]["endpoint"]);
    let datasources = yaml("docs/deploy/observe/grafana-datasources.yaml");
    let urls: Vec<_> = datasources["datasources"].as_array().unwrap().iter().collect();
    let urls: Vec<_> = urls.iter().map(|it| it["url"].as_str().unwrap()).collect();
    assert_eq!(urls, ["http://prometheus:9090".to_owned(), format!("http://jaeger:{shows}")]);

    // Whoever sends spans or mails reaches those who take them.
    let (services, observers) = (services(), observers());
    for (from, to) in [
        ("monolith", "jaeger"),
        ("split-frontend", "jaeger"),
        ("split-backend", "jaeger"),
        ("split-worker", "jaeger"),
        ("monolith", "mailpit"),
        ("split-worker", "mailpit"),
    ] {
        let there = texts(&observers[to]["networks"]);
        assert!(!texts(&services[from]["networks"]).is_disjoint(&there), "{from} → {to}");
    }
    for to in ["prometheus", "jaeger"] {
        let there = texts(&observers[to]["networks"]);
        assert!(!texts(&observers["grafana"]["networks"]).is_disjoint(&there), "grafana → {to}");
    }
}
