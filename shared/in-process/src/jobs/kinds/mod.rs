//! The kinds of jobs, one file each. The set is closed: the compiler sees to it that each can be
//! run, and a name that is not among them is of a newer program.

pub(crate) mod digest;
pub(crate) mod epub;
pub(crate) mod export;
pub(crate) mod mail;
pub(crate) mod related;
pub(crate) mod synthetic;
mod tfidf;
mod zip;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::run::{Failure, Finished, Run};
use crate::{InProcess, db::Tx};

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "task", rename_all = "snake_case")]
pub(crate) enum Task {
    Digest(digest::Digest),
    Export(export::Export),
    Related(related::Related),
    Synthetic(synthetic::Synthetic),
}

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Digest,
    Export,
    Related,
    Synthetic,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Digest, Self::Export, Self::Related, Self::Synthetic];

    /// Its name in the queue, which is also how [`Task`] spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Export => "export",
            Self::Related => "related",
            Self::Synthetic => "synthetic",
        }
    }

    /// All names, in alphabetical order.
    pub(crate) fn names() -> [&'static str; 4] {
        Self::ALL.map(Self::name)
    }

    /// How many jobs of the kind one worker runs at a time.
    pub(crate) fn slots(self) -> usize {
        match self {
            Self::Digest => 1,
            Self::Export | Self::Related => 2,
            Self::Synthetic => 64,
        }
    }

    /// Within its own kind a job may be more urgent than others; none is so far.
    pub(crate) fn priority(self) -> i64 {
        match self {
            Self::Digest | Self::Export | Self::Related | Self::Synthetic => 100,
        }
    }

    /// How often it is tried, attempts that a worker did not survive included. A mail server may be
    /// away for a while, and experiments kill workers on purpose.
    pub(crate) fn max_attempts(self) -> i64 {
        match self {
            Self::Digest => 8,
            Self::Export | Self::Related => 5,
            Self::Synthetic => 1_000,
        }
    }
}

impl Task {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Digest(_) => Kind::Digest,
            Self::Export(_) => Kind::Export,
            Self::Related(_) => Kind::Related,
            Self::Synthetic(_) => Kind::Synthetic,
        }
    }

    /// What is stored beside the kind.
    pub(crate) fn body(&self) -> Value {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut tagged)) => tagged.remove("task").unwrap_or_default(),
            _ => Value::Null,
        }
    }

    /// The task of a stored job, or what is wrong with it. The text is for operators, who find it
    /// beside the job.
    pub(crate) fn of(kind: &str, body: &Value) -> Result<Self, String> {
        serde_json::from_value(json!({ "kind": kind, "task": body }))
            .map_err(|error| format!("this program can't read it: {error}"))
    }

    pub(crate) async fn run(self, run: &Run<'_>) -> Result<Finished, Failure> {
        match self {
            Self::Digest(task) => digest::run(run, task).await,
            Self::Export(task) => export::run(run, task).await,
            Self::Related(task) => related::run(run, task).await,
            Self::Synthetic(task) => synthetic::run(run, task).await,
        }
    }

    /// What has to be set right when the job is given up.
    pub(crate) async fn given_up(self, app: &InProcess, tx: &mut Tx) -> sqlx::Result<()> {
        match self {
            Self::Export(task) => export::given_up(app, tx, task).await,
            Self::Digest(_) | Self::Related(_) | Self::Synthetic(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_survives_the_queue() {
        let tasks = [
            Task::Digest(digest::Digest { day: "2026-01-02".parse().unwrap() }),
            Task::Export(export::Export { export: 7 }),
            Task::Related(related::Related { article: 7 }),
            Task::Synthetic(synthetic::Synthetic::default()),
        ];
        for task in tasks {
            assert_eq!(Task::of(task.kind().name(), &task.body()), Ok(task));
        }
    }

    #[test]
    fn the_names_are_in_the_order_in_which_gaps_are_looked_for() {
        assert!(Kind::names().is_sorted());
    }

    #[test]
    fn what_a_newer_program_wrote_is_not_misread() {
        assert!(Task::of("unheard-of", &json!({})).is_err());
        assert!(Task::of("related", &json!({ "article": "seven" })).is_err());
    }
}
