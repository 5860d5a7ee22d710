//! The programs under test: built from this very source, in release mode, right before they are
//! measured.

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde::Deserialize;

/// Package, binary and role of the one-process architecture.
pub const MONOLITH: &str = "monolith";
/// Package, binary and role of the pages of the split.
pub const FRONTEND: &str = "split-frontend";
/// Package, binary and role of the API of the split.
pub const BACKEND: &str = "split-backend";
/// Role of the program with the database, where it only does jobs, and what it is told then.
pub const WORK: &str = "work";

/// The home page by hand: a program of the lab's own package.
pub const FLOOR: &str = "floor";
/// In results, the process of [`FLOOR`] that has the pages when it runs as two.
pub const FLOOR_FRONTEND: &str = "floor-frontend";
/// In results, the one that has the data.
pub const FLOOR_BACKEND: &str = "floor-backend";

/// The lab's own package. It is built already; naming it beside the servers makes Cargo choose the
/// same features of shared dependencies for them, so that nothing is compiled a second time.
const LAB: &str = env!("CARGO_PKG_NAME");

/// The workspace, found where it was when the lab was built.
pub fn workspace() -> anyhow::Result<PathBuf> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = benches.parent().filter(|root| root.join("Cargo.toml").is_file());
    Ok(root
        .with_context(|| format!("the source is no longer at {}", benches.display()))?
        .to_owned())
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Binaries(BTreeMap<String, PathBuf>);

impl Binaries {
    /// The programs of these roles that stand in a directory, under their own names.
    pub fn in_directory(directory: &Path, roles: &[&str]) -> Self {
        Self(roles.iter().map(|role| ((*role).to_owned(), directory.join(role))).collect())
    }

    /// The program of a role.
    pub fn path(&self, role: &str) -> anyhow::Result<&Path> {
        let path = self.0.get(role).with_context(|| format!("cargo built no program {role}"))?;
        Ok(path)
    }

    /// Role → size of its program in bytes.
    pub fn sizes(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let size = |(role, path): (&String, &PathBuf)| Ok((role.clone(), path.metadata()?.len()));
        self.0.iter().map(size).collect()
    }

    /// What tells these programs from others of the same size.
    pub fn fingerprints(&self) -> anyhow::Result<Fingerprints> {
        let fingerprint = |(role, path): (&String, &PathBuf)| {
            let mut hasher = DefaultHasher::new();
            fs::read(path)?.hash(&mut hasher);
            Ok((role.clone(), hasher.finish()))
        };
        self.0.iter().map(fingerprint).collect()
    }
}

/// Role → a number that changes with the content of its program. Only to be compared with one from the
/// same compiler.
pub type Fingerprints = BTreeMap<String, u64>;

/// One line of cargo's report; lines of other kinds have other fields.
#[derive(Debug, Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

/// This very program. Building the servers may replace its file while it runs: cargo builds the lab anew
/// where its dependencies are wanted with other features when they are built together with theirs. What was
/// started is then what the kernel still holds.
///
/// # Errors
/// When the kernel does not say.
pub fn this_program() -> io::Result<PathBuf> {
    Ok(existing(env::current_exe()?))
}

fn existing(program: PathBuf) -> PathBuf {
    if program.exists() { program } else { PathBuf::from("/proc/self/exe") }
}

/// Builds the three servers in one go, with cargo's own progress on stderr. Cargo carries the run's
/// `mark`.
///
/// # Errors
/// When the build fails; cargo has said why on stderr.
pub fn build(mark: &(&str, String)) -> anyhow::Result<Binaries> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(&cargo)
        .current_dir(workspace()?)
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .env(mark.0, &mark.1)
        .args([LAB, MONOLITH, FRONTEND, BACKEND].map(|package| format!("--package={package}")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", Path::new(&cargo).display()))?;
    let report =
        BufReader::new(child.stdout.take().context("cargo without the output it was given")?);
    let mut binaries = BTreeMap::new();
    for line in report.lines() {
        binaries.extend(built(&line?));
    }
    if !child.wait()?.success() {
        bail!("the servers could not be built; see above");
    }
    Ok(Binaries(binaries))
}

fn built(line: &str) -> Option<(String, PathBuf)> {
    let message: Message = serde_json::from_str(line).ok()?;
    Some((message.target?.name, message.executable?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_report_and_libraries_are_not() {
        let program = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"monolith"},
            "executable":"/t/release/monolith","fresh":true}"#;
        assert_eq!(
            built(program),
            Some(("monolith".to_owned(), PathBuf::from("/t/release/monolith")))
        );
        let library = r#"{"reason":"compiler-artifact","target":{"name":"api"},"executable":null}"#;
        assert_eq!(built(library), None);
        assert_eq!(built(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn a_program_whose_file_was_replaced_can_be_started_once_more() {
        let gone = existing(PathBuf::from("/nowhere/lab (deleted)"));
        // This is a test, and lists itself.
        let listed = Command::new(gone).arg("--list").output().unwrap();
        let said = String::from_utf8(listed.stdout).unwrap();
        assert!(said.contains("a_program_whose_file_was_replaced"), "{said}");
        let here = env::current_exe().unwrap();
        assert_eq!(existing(here.clone()), here);
    }

    #[test]
    fn the_workspace_is_where_the_source_is() {
        assert!(workspace().unwrap().join("benches/Cargo.toml").is_file());
    }
}
