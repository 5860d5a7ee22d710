//! The manifests for Kubernetes, without a cluster: they are of the API's types, and they state what
//! the compose file states.

#[path = "compose/figures.rs"]
mod figures;
#[path = "deploy/manifests.rs"]
mod manifests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use figures::{Figures, between_markers};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::{Container, PodSpec, Service},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use manifests::{Manifests, lost, root};

/// Deployment → the service of the compose file that it is.
const ROLES: [&str; 4] = ["monolith", "split-frontend", "split-backend", "split-worker"];

/// Who may reach whom: the same arrows as the networks of `docker-compose.yml` draw.
const ARROWS: [(&str, &str); 9] = [
    ("visitors", "monolith"),
    ("visitors", "split-frontend"),
    ("visitors", "split-backend"),
    ("split-frontend", "split-backend"),
    ("monolith", "postgres"),
    ("monolith-migrate", "postgres"),
    ("split-backend", "postgres"),
    ("split-migrate", "postgres"),
    ("split-worker", "postgres"),
];

/// Connections of PostgreSQL that are not the servers': a migration and somebody with psql for each
/// architecture, and what it keeps back.
const OTHER_CONNECTIONS: i32 = 2 * 2 + 3;

/// What PostgreSQL accepts unless it is told otherwise.
const POSTGRES_DEFAULT: i32 = 100;

#[test]
fn every_manifest_is_of_the_apis_types() {
    let manifests = Manifests::read();
    let count = manifests.check_types().expect("manifests that Kubernetes knows");
    assert!(count > 20, "{count} manifests");
}

#[test]
fn what_the_api_does_not_know_is_found() {
    let with = |container: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: x }}\nspec:\n  selector: {{}}\n  \
             template: {{ spec: {{ containers: [{{ name: x, {container} }}] }} }}\n"
        )
    };
    let check = |container| Manifests::parse(&with(container)).check_types().map(drop);
    assert_eq!(check("image: x"), Ok(()));
    let misspelt = check("imagePullPolice: Always").unwrap_err();
    assert!(misspelt.contains("spec.template.spec.containers.0.imagePullPolice"), "{misspelt}");
    let wrong = check("ports: [{ containerPort: many }]").unwrap_err();
    assert!(wrong.contains("Deployment x"), "{wrong}");
    assert_eq!(lost(&serde_json::json!({"a": [1]}), &serde_json::json!({"a": [1], "b": 2})), None);
}

#[test]
fn every_role_is_scaled_and_restarted_without_a_gap() {
    let manifests = Manifests::read();
    let mut roles = BTreeSet::new();
    for deployment in manifests.all::<Deployment>() {
        let name = deployment.metadata.name.expect("a name");
        let spec = deployment.spec.expect("a spec");
        assert_eq!(spec.replicas, None, "{name}: the autoscaler would be overruled at each change");
        let rolling = spec.strategy.and_then(|s| s.rolling_update).expect("a rolling update");
        assert_eq!(rolling.max_unavailable, Some(IntOrString::Int(0)), "{name}");

        let scaler: HorizontalPodAutoscaler = manifests.named(&name);
        let scaler = scaler.spec.expect("a spec");
        assert_eq!(scaler.scale_target_ref.name, name);
        assert!(scaler.min_replicas < Some(scaler.max_replicas), "{name}");
        let budget: PodDisruptionBudget = manifests.named(&name);
        let budget = budget.spec.expect("a spec");
        assert_eq!(budget.selector.as_ref(), Some(&spec.selector), "{name}");

        let pod = spec.template.spec.expect("a pod");
        let container = only(&pod);
        let seconds = |variable| environment(container)[variable].parse::<i64>().expect("seconds");
        let drain = seconds("SHUTDOWN_DELAY_SECONDS") + seconds("GRACE_SECONDS");
        assert!(pod.termination_grace_period_seconds > Some(drain), "{name}");
        let path = |probe: &Option<k8s_openapi::api::core::v1::Probe>| {
            let get = probe.as_ref().and_then(|probe| probe.http_get.as_ref());
            get.and_then(|get| get.path.clone()).unwrap_or_default()
        };
        let probes =
            [&container.startup_probe, &container.readiness_probe, &container.liveness_probe];
        assert_eq!(probes.map(path), ["/readyz", "/readyz", "/healthz"], "{name}");
        roles.insert(name);
    }
    assert_eq!(roles, ROLES.map(str::to_owned).into());
    // Nobody asks the worker.
    let services = manifests.all::<Service>().into_iter().filter_map(|it| it.metadata.name);
    assert_eq!(
        services.collect::<BTreeSet<_>>(),
        ROLES[..3].iter().map(ToString::to_string).collect()
    );
}

#[test]
fn no_pod_can_do_more_than_it_has_to() {
    let manifests = Manifests::read();
    let deployments = manifests.all::<Deployment>().into_iter();
    let pods = deployments.filter_map(|it| it.spec?.template.spec);
    let jobs = manifests.all::<Job>().into_iter().filter_map(|it| it.spec?.template.spec);
    let pods: Vec<_> = pods.chain(jobs).collect();
    assert_eq!(pods.len(), ROLES.len() + 2);
    for pod in &pods {
        let container = only(pod);
        let name = &container.name;
        assert_eq!(pod.automount_service_account_token, Some(false), "{name}");
        let of_pod = pod.security_context.as_ref().expect("a security context");
        assert_eq!(
            (of_pod.run_as_non_root, of_pod.run_as_user),
            (Some(true), Some(10001)),
            "{name}"
        );
        let confined = container.security_context.as_ref().expect("a security context");
        assert_eq!(confined.read_only_root_filesystem, Some(true), "{name}");
        assert_eq!(confined.allow_privilege_escalation, Some(false), "{name}");
        let dropped = confined.capabilities.as_ref().and_then(|it| it.drop.clone());
        assert_eq!(dropped.as_deref(), Some(&["ALL".to_owned()][..]), "{name}");
        let limits = container.resources.as_ref().and_then(|it| it.limits.as_ref());
        let limits = limits.expect("limits");
        assert!(limits.contains_key("cpu") && limits.contains_key("memory"), "{name}");

        // Settings that exist, and no secret among them.
        let explained = fs::read_to_string(root().join(".env.example")).expect(".env.example");
        for (variable, value) in environment(container) {
            let mut lines = explained.lines().map(|line| line.trim_start_matches('#'));
            let is_known = lines.any(|line| line.starts_with(&format!("{variable}=")));
            assert!(is_known, "{name}: {variable}");
            assert!(!value.contains("postgres://"), "{name}: {variable}");
        }
    }
    let frontend = pods.iter().find(|pod| only(pod).name == "split-frontend").expect("it");
    assert_eq!(frontend.volumes, None, "the frontend has no secret");
}

#[test]
fn connections_to_the_database_suffice_at_the_largest_scale() {
    let manifests = Manifests::read();
    let mut all = OTHER_CONNECTIONS;
    for name in ROLES {
        let deployment: Deployment = manifests.named(name);
        let pod = deployment.spec.and_then(|it| it.template.spec).expect("a pod");
        let Some(each) = environment(only(&pod)).remove("DB_CONNECTIONS") else { continue };
        let scaler: HorizontalPodAutoscaler = manifests.named(name);
        // One more while they are replaced.
        let most = scaler.spec.expect("a spec").max_replicas + 1;
        all += most * each.parse::<i32>().expect("a number");
    }
    assert!(all <= POSTGRES_DEFAULT, "{all} connections");
}

#[test]
fn policies_draw_the_arrows_of_the_compose_file() {
    let manifests = Manifests::read();
    let policies = manifests.all::<NetworkPolicy>();
    // Whoever is chosen by a policy may do nothing but what some policy allows.
    let closed = policies.iter().any(|policy| {
        let spec = policy.spec.as_ref().expect("a spec");
        let types = spec.policy_types.as_deref().unwrap_or_default();
        policy.metadata.name.as_deref() == Some("conduit-nobody")
            && types == ["Ingress", "Egress"]
            && spec.ingress.is_none()
            && spec.egress.is_none()
    });
    assert!(closed, "nothing is open that is not named");

    let (leaves, enters) = manifests::arrows(&policies);
    let drawn: BTreeSet<_> = ARROWS.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
    let outside = |name: &str| ["visitors", "postgres"].contains(&name);
    let leaving = drawn.iter().filter(|(from, _)| !outside(from)).cloned().collect();
    let entering = drawn.iter().filter(|(_, to)| !outside(to)).cloned().collect();
    assert_eq!(leaves, leaving, "what may leave");
    assert_eq!(enters, entering, "what may enter");
}

#[test]
fn the_document_shows_the_figures_of_the_run() {
    let read = |path: &str| fs::read_to_string(root().join(path));
    let document = read("docs/deploy.md").expect("the document");
    let shown = match read("docs/deploy/figures.json") {
        Ok(figures) => serde_json::from_str::<Figures>(&figures).expect("figures").table(),
        Err(_) => "Not measured yet.\n".to_owned(),
    };
    assert!(
        document == between_markers(&document, &shown),
        "docs/deploy.md and its figures differ"
    );
}

fn only(pod: &PodSpec) -> &Container {
    assert_eq!(pod.containers.len(), 1);
    &pod.containers[0]
}

fn environment(container: &Container) -> BTreeMap<String, String> {
    let variables = container.env.iter().flatten();
    variables.map(|it| (it.name.clone(), it.value.clone().expect("a value"))).collect()
}
