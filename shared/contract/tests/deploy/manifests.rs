//! Reading manifests, strictly: as Kubernetes' API would on a day on which it takes nothing for
//! granted.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::{
    Metadata, Resource,
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::Service,
        networking::v1::{NetworkPolicy, NetworkPolicyPeer},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What names a pod's role.
const NAME: &str = "app.kubernetes.io/name";

/// All documents of some YAML files.
pub(crate) struct Manifests(Vec<Value>);

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Manifests {
    /// Those of the repository.
    pub(crate) fn read() -> Self {
        let folder = root().join("docs/deploy/k8s");
        let entries = fs::read_dir(folder).expect("the folder of manifests");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let texts = paths.map(|path| fs::read_to_string(path).expect("a manifest"));
        Self(texts.flat_map(|text| Self::parse(&text).0).collect())
    }

    /// Those of one file.
    pub(crate) fn parse(text: &str) -> Self {
        let documents = yaml_serde::Deserializer::from_str(text);
        Self(documents.map(|it| Value::deserialize(it).expect("YAML")).collect())
    }

    /// Holds each against its type; gives how many there are.
    pub(crate) fn check_types(&self) -> Result<usize, String> {
        for manifest in &self.0 {
            let kind = manifest["kind"].as_str().unwrap_or_default();
            let check = match kind {
                Deployment::KIND => strictly::<Deployment>,
                HorizontalPodAutoscaler::KIND => strictly::<HorizontalPodAutoscaler>,
                Job::KIND => strictly::<Job>,
                NetworkPolicy::KIND => strictly::<NetworkPolicy>,
                PodDisruptionBudget::KIND => strictly::<PodDisruptionBudget>,
                Service::KIND => strictly::<Service>,
                _ => return Err(format!("no type for {kind:?}")),
            };
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
            check(manifest).map_err(|error| format!("{kind} {name}: {error}"))?;
        }
        Ok(self.0.len())
    }

    /// All of one kind.
    pub(crate) fn all<T: Resource + DeserializeOwned>(&self) -> Vec<T> {
        let of_kind = self.0.iter().filter(|manifest| manifest["kind"] == T::KIND);
        of_kind.map(|it| serde_json::from_value(it.clone()).expect(T::KIND)).collect()
    }

    /// The one with this name.
    pub(crate) fn named<T>(&self, name: &str) -> T
    where
        T: Resource + Metadata<Ty = ObjectMeta> + DeserializeOwned,
    {
        let mut all = self.all::<T>().into_iter();
        let found = all.find(|it| it.metadata().name.as_deref() == Some(name));
        found.unwrap_or_else(|| panic!("no {} {name}", T::KIND))
    }
}

/// The types let pass what they don't know. But what they don't know they don't write, either.
fn strictly<T: Serialize + DeserializeOwned>(manifest: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(manifest.clone()).map_err(|error| error.to_string())?;
    let again = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    lost(manifest, &again).map_or(Ok(()), |field| Err(format!("{field} is unknown")))
}

/// The first field that is in one value and not, or with another content, in the other.
pub(crate) fn lost(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &str, one, other| {
        let path = lost(one, other)?;
        Some(if path.is_empty() { key.to_owned() } else { format!("{key}.{path}") })
    };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one
            .iter()
            .find_map(|(key, value)| below(key, value, other.get(key).unwrap_or(&Value::Null))),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(index, (one, other))| below(&index.to_string(), one, other))
        }
        _ => (one != other).then(String::new),
    }
}

type Arrows = BTreeSet<(String, String)>;

/// What policies let leave a role, and enter one; names left out.
pub(crate) fn arrows(policies: &[NetworkPolicy]) -> (Arrows, Arrows) {
    let (mut leaves, mut enters) = (Arrows::new(), Arrows::new());
    for spec in policies.iter().filter_map(|policy| policy.spec.as_ref()) {
        let Some(role) = spec.pod_selector.as_ref().and_then(role) else { continue };
        for rule in spec.egress.iter().flatten() {
            assert!(rule.ports.as_ref().is_some_and(|ports| ports.len() == 1), "{role}: one port");
            let peers = rule.to.iter().flatten().map(peer);
            leaves.extend(peers.map(|peer| (role.clone(), peer)));
        }
        for rule in spec.ingress.iter().flatten() {
            assert!(rule.ports.as_ref().is_some_and(|ports| ports.len() == 1), "{role}: one port");
            let peers = rule.from.iter().flatten().map(peer);
            enters.extend(peers.map(|peer| (peer, role.clone())));
        }
    }
    (leaves, enters)
}

fn role(selector: &LabelSelector) -> Option<String> {
    selector.match_labels.as_ref()?.get(NAME).cloned()
}

fn peer(peer: &NetworkPolicyPeer) -> String {
    assert!(peer.ip_block.is_none(), "pods or namespaces");
    match (&peer.pod_selector, &peer.namespace_selector) {
        (Some(pods), None) => role(pods).expect("a role"),
        (None, Some(_)) => "visitors".to_owned(),
        _ => panic!("pods or a namespace: {peer:?}"),
    }
}
