//! How many jobs there are, and since when the oldest has waited: for the operators' page and for
//! `/metrics`.

use chrono::{DateTime, Utc};
use conduit::COUNTED;
use sqlx::{FromRow, QueryBuilder};

use super::Kind;
use crate::db::{Db, on_read};

/// A look at the queue.
pub(crate) struct Depth(Vec<Counted>);

/// The jobs of one kind in one state.
#[derive(FromRow)]
struct Counted {
    kind: String,
    state: String,
    jobs: i64,
    /// When the first of them was enqueued, where they wait for a worker.
    oldest_at: Option<DateTime<Utc>>,
}

impl Depth {
    /// All states in which a job may be.
    pub(crate) const STATES: [&str; 5] = ["delayed", "ready", "running", "dead", "parked"];

    /// Counts. That costs the same however many jobs there are: each part of the query reads one
    /// index, and stops after [`COUNTED`] rows. Those that wait for a worker are counted for each
    /// kind, since their index begins with it; of those that wait for their time, and of those that
    /// run, the next ones are taken; and of those that nobody will run, the latest.
    pub(crate) async fn look(db: &Db) -> sqlx::Result<Self> {
        let rows = on_read!(db, db => {
            let mut query = QueryBuilder::new("");
            for kind in Kind::names() {
                query.push("select ").push_bind(kind);
                query.push(format_args!(
                    " as kind, 'ready' as state, (select count(*) from
                        (select 1 from job where state = 'ready' and kind = '{kind}'
                            limit {COUNTED}) first_ones) as jobs,
                        (select created_at from job where state = 'ready' and kind = '{kind}'
                            order by priority, id limit 1) as oldest_at
                    union all "
                ));
            }
            for (states, order) in [("'delayed', 'running'", "due_at"), ("'dead', 'parked'", "id desc")]
            {
                query.push(format_args!(
                    "select kind, state, count(*), null from
                        (select kind, state from job where state in ({states})
                            order by {order} limit {COUNTED}) first_ones
                    group by kind, state"
                ));
                if order == "due_at" {
                    query.push(" union all ");
                }
            }
            query.build_query_as().fetch_all(db).await
        })?;
        Ok(Self(rows))
    }

    /// How many jobs of a kind are in this state; at most [`COUNTED`], which stands for "or more".
    pub(crate) fn jobs(&self, kind: &str, state: &str) -> u64 {
        self.sum(|counted| counted.kind == kind && counted.state == state)
    }

    /// The same of all kinds that this program does not know.
    pub(crate) fn jobs_of_unknown_kinds(&self, state: &str) -> u64 {
        let known = Kind::names();
        self.sum(|counted| !known.contains(&counted.kind.as_str()) && counted.state == state)
    }

    fn sum(&self, which: impl Fn(&&Counted) -> bool) -> u64 {
        self.0.iter().filter(which).map(|counted| counted.jobs.unsigned_abs()).sum()
    }

    /// When the first job of this kind was enqueued that waits for a worker.
    pub(crate) fn oldest_at(&self, kind: &str) -> Option<DateTime<Utc>> {
        self.0.iter().filter(|counted| counted.kind == kind).find_map(|counted| counted.oldest_at)
    }
}
