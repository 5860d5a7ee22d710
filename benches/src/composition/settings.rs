//! What the compose files say of a service now, held against the container that was made from them
//! earlier: whoever has a container made anew must get the same one.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use super::docker::Inspected;

/// As `docker compose config` prints it, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Deserialize)]
struct Service {
    /// A variable without a value is handed on only if it is set.
    #[serde(default)]
    environment: BTreeMap<String, Option<String>>,
    #[serde(default)]
    cpus: Value,
    #[serde(default)]
    mem_limit: Value,
}

impl Settings {
    /// Looks whether a container like this one would be made of its service.
    ///
    /// # Errors
    /// One line that names the first setting that is another one now.
    pub(super) fn same_as_of(&self, container: &Inspected) -> anyhow::Result<()> {
        let name = container.service();
        let service = self.services.get(name);
        let service = service.with_context(|| format!("--compose: no compose file has {name}"))?;
        match service.difference(container) {
            None => Ok(()),
            Some(what) => bail!(
                "--compose: {name} runs with another {what} than it would be made with now: run the lab \
                 with the environment variables and flags that `docker compose up` was run with"
            ),
        }
    }
}

impl Service {
    fn difference(&self, container: &Inspected) -> Option<String> {
        let runs = &container.host_config;
        let limit = |setting: &Value, what: &str, runs: Option<f64>| {
            let wanted = number(setting).filter(|number| *number > 0.0);
            (wanted.is_some() && wanted != runs).then(|| what.to_owned())
        };
        let variables = self.environment.iter();
        let other = variables.filter_map(|(name, value)| {
            // Where a dollar is meant, `config` prints two.
            let value = value.as_ref()?.replace("$$", "$");
            (container.variable(name) != Some(&value)).then(|| name.clone())
        });
        let mebibytes = |bytes: &Value| number(bytes).map(|bytes| (bytes / 1_048_576.0).floor());
        let memory = Value::from(mebibytes(&self.mem_limit));
        let limits = limit(&self.cpus, "limit of CPU", runs.cpus())
            .or_else(|| limit(&memory, "limit of memory", runs.memory_mib().map(|mib| mib as f64)));
        other.chain(limits).next()
    }
}

/// A number, or a text that is one.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container() -> Inspected {
        serde_json::from_value(json!({
            "Id": "4f1d", "Image": "sha256:9c", "State": { "Health": { "Status": "healthy" } },
            "Config": {
                "Image": "conduit-monolith",
                "Labels": { "com.docker.compose.service": "monolith" },
                "Env": ["LOG=info", "PASSWORD=a$b", "PATH=/usr/bin"],
            },
            "HostConfig": { "NanoCpus": 1_000_000_000_u64, "Memory": 536_870_912 },
            "NetworkSettings": { "Ports": {}, "Networks": {} },
        }))
        .unwrap()
    }

    fn checked(service: Value) -> Result<(), String> {
        let settings: Settings =
            serde_json::from_value(json!({ "services": { "monolith": service } })).unwrap();
        settings.same_as_of(&container()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_settings_that_a_container_was_made_with_are_the_same() {
        let environment = json!({ "LOG": "info", "PASSWORD": "a$$b", "SMTP_URL": null });
        let same = json!({ "environment": environment, "cpus": 1, "mem_limit": "536870912" });
        assert_eq!(checked(same), Ok(()));
        // No limits are said.
        assert_eq!(checked(json!({ "environment": environment })), Ok(()));
    }

    #[test]
    fn what_is_another_one_now_is_named() {
        for (service, what) in [
            (json!({ "environment": { "LOG": "debug" } }), "another LOG than"),
            (json!({ "environment": { "PRODUCTION": "false" } }), "another PRODUCTION than"),
            (json!({ "cpus": "0.25" }), "another limit of CPU than"),
            (json!({ "mem_limit": "268435456" }), "another limit of memory than"),
        ] {
            let error = checked(service).unwrap_err();
            assert!(
                error.starts_with("--compose: monolith runs with") && error.contains(what),
                "{error}"
            );
        }
        let none: Settings = serde_json::from_value(json!({ "services": {} })).unwrap();
        assert!(none.same_as_of(&container()).is_err());
    }
}
