//! What the port says of work that is done later.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The longest piece of an export that one call answers with, in bytes.
pub const MAX_CHUNK: usize = 256 * 1024;

/// How far something has come that is done later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum ExportState {
    /// Nobody has begun.
    Waiting,
    /// Somebody is at it.
    Running,
    /// The file is there.
    Ready,
    /// It was given up; a new one may be asked for.
    Failed,
}

/// All of somebody's articles as one file, an EPUB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// Its number.
    pub id: i64,
    /// How far it has come,
    pub state: ExportState,
    /// and with how many articles,
    pub articles_done: u64,
    /// of how many.
    pub articles_total: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// From when on the file is gone, once it is there.
    pub expires_at: Option<Timestamp>,
    /// How long the file is so far, in bytes.
    pub bytes: u64,
    /// Of how many chunks it consists so far.
    pub chunks: u32,
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// It waits for its time: for the next attempt, mostly.
    Delayed,
    /// It waits for a worker.
    Ready,
    /// A worker has it.
    Running,
    /// It was given up.
    Dead,
    /// It waits for a newer program.
    Parked,
}

/// A job that is for somebody, as they see it. What is done is not listed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// What kind of work it is.
    pub kind: String,
    /// What becomes of it.
    pub state: JobState,
    /// How often it was tried.
    pub attempts: u32,
    /// How many steps are done,
    pub progress_done: u64,
    /// of how many; zero where nobody knows.
    pub progress_total: u64,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

/// The jobs of one kind, as operators see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KindState {
    /// Which kind.
    pub kind: String,
    /// How many wait for a worker; counted up to [`COUNTED`], which stands for "or more".
    pub ready: u64,
    /// How many wait for their time, counted likewise.
    pub delayed: u64,
    /// How many run.
    pub running: u64,
    /// Since when the oldest that waits for a worker has done so.
    pub oldest_at: Option<Timestamp>,
    /// How many were done in the last hour.
    pub done_in_hour: u64,
    /// How many attempts failed in the last hour.
    pub failed_in_hour: u64,
}

/// Up to how many jobs are counted: the cost of a look has to be bounded.
pub const COUNTED: u64 = 10_000;

/// A job that will not run by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FailedJob {
    /// Its number.
    pub id: i64,
    /// What kind of work it is.
    pub kind: String,
    /// Dead or parked.
    pub state: JobState,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it failed.
    pub reason: String,
    /// The request that caused it.
    pub request_id: String,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

/// Something that happens by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleState {
    /// What it is called.
    pub name: String,
    /// When it was last due, if it ever was.
    pub last_at: Option<Timestamp>,
    /// When it is due next.
    pub next_at: Option<Timestamp>,
}

/// The queue, as operators see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Queue {
    /// Each kind.
    pub kinds: Vec<KindState>,
    /// Jobs that were given up, or are not known here: the latest 50.
    pub failed: Vec<FailedJob>,
    /// What happens by the clock.
    pub schedules: Vec<ScheduleState>,
}
