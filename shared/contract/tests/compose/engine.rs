//! A container engine, and one composition on it that is gone when the test is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long a condition in a container may take to come about.
const LIMIT: Duration = Duration::from_secs(30);

/// Docker as it is installed, or one that `COMPOSE_KIT` brings along.
pub(crate) struct Engine {
    /// Runs its arguments as a command that talks to the kit's engine.
    wrapper: Option<PathBuf>,
}

impl Engine {
    /// The engine that can be reached.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(crate) fn find() -> Result<Self, String> {
        let kit = std::env::var_os("COMPOSE_KIT");
        let wrapper = kit.map(|kit| repository().join(kit).join("engine"));
        let engine = Self { wrapper };
        match engine.docker(&["info"]).output() {
            Ok(output) if output.status.success() => Ok(engine),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("docker: {error}")),
        }
    }

    /// Whether somebody promised that there is one.
    pub(crate) fn is_promised() -> bool {
        std::env::var_os("COMPOSE_KIT").is_some()
    }

    /// A Docker command.
    pub(crate) fn docker(&self, args: &[&str]) -> Command {
        let mut command = match &self.wrapper {
            None => Command::new("docker"),
            Some(wrapper) => {
                let mut command = Command::new(wrapper);
                command.arg("docker");
                command
            }
        };
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs the calling test again where the ports are that containers publish, if that is elsewhere;
    /// says whether it succeeded there.
    pub(crate) fn test_where_ports_are(&self, test: &str) -> Option<bool> {
        const THERE: &str = "COMPOSE_TEST_IS_THERE";
        if self.wrapper.is_none() || std::env::var_os(THERE).is_some() {
            return None;
        }
        let this = std::env::current_exe().expect("this program");
        let mut again = self.beside(this.to_str().expect("UTF-8"));
        again.args(["--exact", test, "--nocapture"]).env(THERE, "1");
        Some(again.status().expect("the test").success())
    }

    /// A command that sees the ports that containers publish. The kit's engine has a network of its
    /// own, and publishes them there.
    fn beside(&self, program: &str) -> Command {
        match &self.wrapper {
            None => Command::new(program),
            Some(wrapper) => {
                let mut command = Command::new(wrapper);
                command.args(["in", program]);
                command
            }
        }
    }
}

fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository")
}

/// A container as the engine describes it.
pub(crate) struct Container(Value);

impl Container {
    /// The value at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.at("/RestartCount").as_u64().unwrap_or(0)
    }

    /// Whether it has ended for good.
    pub(crate) fn has_ended(&self) -> bool {
        self.at("/State/Status") == "exited"
    }
}

/// The repository's compose file as a project of its own, on free ports.
pub(crate) struct Composition {
    engine: Engine,
    root: PathBuf,
    name: String,
    overrides: Vec<PathBuf>,
}

impl Composition {
    /// A composition that does not run yet.
    pub(crate) fn new(engine: Engine) -> Self {
        let name = format!("conduit-test-{}", std::process::id());
        Self { engine, root: repository(), name, overrides: Vec::new() }
    }

    /// Builds the images: as the Dockerfile says, or with ready binaries from the directory that
    /// `COMPOSE_BINARIES` names (relative to the repository) in place of its compile stage.
    pub(crate) fn build(&mut self) {
        if let Some(binaries) = std::env::var_os("COMPOSE_BINARIES") {
            let replaced = self.without_compile_stage(&self.root.join(binaries));
            self.override_with("binaries.json", &replaced);
        }
        self.compose(&[], &["build", "--quiet"]);
    }

    /// A file of the repository.
    pub(crate) fn in_repository(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A directory for files that containers get.
    pub(crate) fn folder(&self) -> &'static Path {
        Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/compose"))
    }

    /// From now on this is said on top of the repository's file.
    pub(crate) fn override_with(&mut self, name: &str, what: &Value) {
        let file = self.folder().join(name);
        fs::write(&file, what.to_string()).expect("the override file");
        self.overrides.push(file);
    }

    /// What lets a directory stand in for the stage named `build`.
    fn without_compile_stage(&self, binaries: &Path) -> Value {
        let out = self.folder().join("out");
        fs::create_dir_all(&out).expect("a directory for binaries");
        for name in ["monolith", "split-frontend", "split-backend", "lab"] {
            fs::copy(binaries.join(name), out.join(name)).expect(name);
        }
        let config = self.compose(&[], &["config", "--format", "json"]);
        let config: Value = serde_json::from_str(&config).expect("JSON");
        let services = config["services"].as_object().expect("services");
        let replaced = json!({ "build": { "additional_contexts": { "build": self.folder() } } });
        let built = services.iter().filter(|(_, service)| service.get("build").is_some());
        let services: Value = built.map(|(name, _)| (name.clone(), replaced.clone())).collect();
        json!({ "services": services })
    }

    fn command(&self, env: &[(&str, &str)], args: &[&str]) -> Command {
        let mut command = self.engine.docker(&["compose", "--progress", "quiet"]);
        command.current_dir(&self.root).args(["--project-name", &self.name]);
        command.args(["--file", "docker-compose.yml"]);
        for file in &self.overrides {
            command.arg("--file").arg(file);
        }
        set(&mut command);
        command.envs(env.iter().copied()).args(args);
        command
    }

    /// Runs `docker compose` and gives what it printed; it has to succeed.
    pub(crate) fn compose(&self, env: &[(&str, &str)], args: &[&str]) -> String {
        let output = self.try_compose(env, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker compose {args:?}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs `docker compose`, whatever comes of it.
    pub(crate) fn try_compose(&self, env: &[(&str, &str)], args: &[&str]) -> Output {
        self.command(env, args).output().expect("docker compose")
    }

    /// Starts everything and waits until all of it is healthy; gives the time that it took.
    pub(crate) fn up(&self) -> Duration {
        let start = Instant::now();
        self.compose(&[], &["up", "--detach", "--no-build", "--wait"]);
        start.elapsed()
    }

    /// Starts a service's container again, without a look at what it depends on.
    pub(crate) fn start_alone(&self, service: &str) {
        self.on_container("start", &self.only(service));
    }

    /// Runs a command in a service's container, and says whether it succeeded and what it printed.
    pub(crate) fn exec(&self, service: &str, command: &[&str]) -> (bool, String) {
        let output = self.try_compose(&[], &[&["exec", "--no-TTY", service], command].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the engine knows of a service's container.
    pub(crate) fn container(&self, service: &str) -> Container {
        self.inspect(&self.only(service))
    }

    /// The ids of a service's containers, in any order; also of those that have ended.
    pub(crate) fn replicas(&self, service: &str) -> Vec<String> {
        let ids = self.compose(&[], &["ps", "--all", "--quiet", service]);
        ids.lines().map(str::to_owned).collect()
    }

    fn only(&self, service: &str) -> String {
        let mut ids = self.replicas(service);
        assert_eq!(ids.len(), 1, "containers of {service}");
        ids.remove(0)
    }

    /// What the engine knows of a container.
    pub(crate) fn inspect(&self, id: &str) -> Container {
        let inspected = self.engine.docker(&["inspect", id]).output().expect("docker");
        let all: Value = serde_json::from_slice(&inspected.stdout).expect("JSON");
        Container(all[0].clone())
    }

    /// Runs a command in a container and gives what it printed.
    pub(crate) fn exec_in(&self, id: &str, command: &[&str]) -> String {
        let output = self.engine.docker(&[&["exec", id], command].concat()).output();
        String::from_utf8(output.expect("docker").stdout).expect("UTF-8")
    }

    /// What a database answers, without any decoration.
    pub(crate) fn sql(&self, database: &str, query: &str) -> String {
        let psql = ["psql", "--username=postgres", "-XAtc", query, database];
        let (succeeded, answer) = self.exec("postgres", &psql);
        assert!(succeeded, "{query}");
        answer.trim().to_owned()
    }

    /// The size of a service's image, bytes.
    pub(crate) fn image_size(&self, service: &str) -> u64 {
        let container = self.container(service);
        let image = container.at("/Image").as_str().expect("an image");
        let inspected = self.engine.docker(&["image", "inspect", image]).output().expect("docker");
        let all: Value = serde_json::from_slice(&inspected.stdout).expect("JSON");
        all[0]["Size"].as_u64().expect("a size")
    }

    /// Everything that a service's container has written to stderr.
    pub(crate) fn log(&self, service: &str) -> String {
        let output = self.on_container("logs", &self.only(service));
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    /// The last lines that a balancer has written: servers that came and went, requests that failed.
    pub(crate) fn balancer_log(&self, server: &str) -> String {
        let balancer = format!("{server}-balancer");
        self.compose(&[], &["logs", "--no-color", "--no-log-prefix", "--tail", "400", &balancer])
    }

    /// Runs a Docker command on a container; it has to succeed.
    pub(crate) fn on_container(&self, command: &str, id: &str) -> Output {
        let output = self.engine.docker(&[command, id]).output().expect("docker");
        assert!(output.status.success(), "docker {command}: {output:?}");
        output
    }

    /// Where a server can be asked, as `host:port`: at the balancer in front of it.
    pub(crate) fn address(&self, server: &str) -> String {
        self.compose(&[], &["port", &format!("{server}-balancer"), "3000"]).trim().to_owned()
    }

    /// Runs the lab on this composition: the one that the images got, or else what Cargo builds.
    pub(crate) fn lab(&self, args: &[&str]) -> Output {
        self.lab_command(args).output().expect("the lab")
    }

    /// The same, not yet run. It has the settings that the composition was started with.
    pub(crate) fn lab_command(&self, args: &[&str]) -> Command {
        let mut lab = match std::env::var_os("COMPOSE_BINARIES") {
            Some(binaries) => {
                let binary = self.root.join(binaries).join("lab");
                self.engine.beside(binary.to_str().expect("UTF-8"))
            }
            None => {
                let mut cargo = self.engine.beside(env!("CARGO"));
                cargo.arg("lab");
                cargo
            }
        };
        let files = [self.root.join("docker-compose.yml")];
        let files = std::env::join_paths(files.iter().chain(&self.overrides)).expect("file names");
        lab.current_dir(&self.root).env("COMPOSE_PROJECT_NAME", &self.name);
        set(&mut lab);
        lab.env("COMPOSE_FILE", files).args(args).stdin(Stdio::null());
        lab
    }

    /// Asks a published port; `more` are further arguments for curl. Gives status (0: no answer) and
    /// body.
    pub(crate) fn ask(&self, address: &str, path: &str, more: &[&str]) -> (u16, String) {
        let mut curl = self.engine.beside("curl");
        curl.args(["--silent", "--max-time", "10", "--write-out", "\n%{http_code}"]).args(more);
        let output = curl.arg(format!("http://{address}{path}")).output().expect("curl");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }
}

/// What `.env` sets would lose against the environment of whoever runs the tests.
fn set(command: &mut Command) {
    command.env("COMPOSE_PROFILES", "monolith,split").env_remove("PUBLISH_ADDRESS");
    for port in ["MONOLITH_PORT", "SPLIT_FRONTEND_PORT", "SPLIT_BACKEND_PORT"] {
        command.env(port, "0");
    }
}

impl Drop for Composition {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.try_compose(&[], &["logs", "--no-color", "--tail", "20"]);
            eprintln!("{}", String::from_utf8_lossy(&logs.stdout));
        }
        self.try_compose(&[], &["down", "--volumes", "--timeout", "5"]);
    }
}

/// Waits until a condition holds in some container.
///
/// # Panics
/// When it still does not after half a minute.
pub(crate) fn eventually(condition: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "still not the case: {condition}");
    }
}
