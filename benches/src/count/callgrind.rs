//! Valgrind's tool Callgrind: it runs a program on a processor of its own making, and counts.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use nix::unistd::Pid;

/// The program that runs another one.
const VALGRIND: &str = "valgrind";

/// The program that talks to it meanwhile.
const REMOTE_CONTROL: &str = "vgdb";

/// Whether it can be used on this machine.
pub fn is_installed() -> bool {
    let there = |program: &str| {
        let asked = Command::new(program).arg("--help").output();
        asked.is_ok_and(|answer| answer.status.success())
    };
    there(VALGRIND) && there(REMOTE_CONTROL)
}

/// Callgrind, with a directory of its own.
pub(super) struct Callgrind {
    dir: PathBuf,
    caches: &'static [&'static str],
}

/// What Callgrind calls instructions.
const INSTRUCTIONS: &str = "Ir";

/// What was counted, over all functions: event → how often.
#[derive(Debug, PartialEq)]
pub(super) struct Counted(BTreeMap<String, u64>);

impl Counted {
    /// How often an event was seen.
    pub(super) fn of(&self, event: &str) -> u64 {
        self.0.get(event).copied().unwrap_or_default()
    }

    pub(super) fn instructions(&self) -> u64 {
        self.of(INSTRUCTIONS)
    }
}

impl Callgrind {
    pub(super) fn new(dir: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        Ok(Self { dir, caches: &[] })
    }

    /// The same processor with caches, as these options describe them.
    pub(super) fn with_caches(self, caches: &'static [&'static str]) -> Self {
        Self { caches, ..self }
    }

    /// What a server's own command is put behind. Nothing is counted until [`Self::begin`].
    pub(super) fn command(&self) -> Vec<String> {
        let out = self.dir.join("out.%p");
        let mut command = vec![
            VALGRIND.to_owned(),
            "--quiet".to_owned(),
            "--tool=callgrind".to_owned(),
            "--instr-atstart=no".to_owned(),
            // Threads take turns in the order in which they want the processor, and not at random.
            "--fair-sched=try".to_owned(),
            self.prefix(),
            format!("--callgrind-out-file={}", out.display()),
        ];
        command.extend(self.caches.iter().map(ToString::to_string));
        command
    }

    fn prefix(&self) -> String {
        format!("--vgdb-prefix={}", self.dir.join("pipe").display())
    }

    /// Begins to count in a process.
    pub(super) fn begin(&self, process: Pid) -> anyhow::Result<()> {
        self.tell(process, "instrumentation on")
    }

    /// What a process has taken since [`Self::begin`], or since this was last asked. Which function took
    /// how much is kept under `name`, for `callgrind_annotate`.
    pub(super) fn counted(&self, process: Pid, name: &str) -> anyhow::Result<Counted> {
        self.tell(process, "dump")?;
        let of_process = format!("out.{process}.");
        let mut files = fs::read_dir(&self.dir)?.flatten();
        let dump = files.find(|file| file.file_name().to_string_lossy().starts_with(&of_process));
        let file = self.dir.join(format!("{name}.callgrind"));
        fs::rename(dump.context("Callgrind left no profile")?.path(), &file)?;
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        total(&text).with_context(|| format!("{}: no total in it", file.display()))
    }

    fn tell(&self, process: Pid, what: &str) -> anyhow::Result<()> {
        let told = Command::new(REMOTE_CONTROL)
            .args([self.prefix(), format!("--pid={process}"), what.to_owned()])
            .stdin(Stdio::null())
            .output()
            .context(REMOTE_CONTROL)?;
        let trouble = String::from_utf8_lossy(&told.stderr).trim().replace('\n', " ");
        ensure!(told.status.success(), "{REMOTE_CONTROL} could not tell {what:?}: {trouble}");
        Ok(())
    }
}

/// The sums over all functions, from a profile. Zeros at the end of the line are left out there.
fn total(profile: &str) -> Option<Counted> {
    let line = |name: &str| profile.lines().find_map(|line| line.strip_prefix(name));
    let (events, totals) = (line("events: ")?, line("totals: ")?);
    let count = |(event, count): (&str, &str)| Some((event.to_owned(), count.parse().ok()?));
    let counted = events.split_whitespace().zip(totals.split_whitespace()).map(count);
    counted.collect::<Option<_>>().map(Counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_profile_is_the_sum_over_its_functions() {
        let profile = "events: Ir\nsummary: 12\nfn=(1) main\n3 12\ntotals: 12345\n";
        assert_eq!(total(profile).unwrap().instructions(), 12_345);
        assert_eq!(total("events: Ir\n"), None);
        let counted = total("events: Ir I1mr ILmr\ntotals: 12345 67\n").unwrap();
        assert_eq!(["Ir", "I1mr", "ILmr"].map(|event| counted.of(event)), [12_345, 67, 0]);
    }
}
