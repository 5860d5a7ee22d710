//! Asking for an export, seeing how far it is, and fetching it. How it is made stands in
//! `jobs/kinds/export`.

use chrono::{DateTime, Utc};
use conduit::{Caller, Error, Export, ExportState, Resource, Result, Unauthorized};
use sqlx::FromRow;

use crate::{
    InProcess,
    db::{Tx, in_tx, on_read},
    db_error,
    jobs::{NewJob, Task, enqueue, kinds::export},
};

/// The columns of an [`ExportRow`].
macro_rules! columns {
    () => {
        "id, state, articles_done, articles_total, created_at, expires_at, bytes, chunks"
    };
}

#[derive(FromRow)]
struct ExportRow {
    id: i64,
    state: String,
    articles_done: i64,
    articles_total: i64,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    bytes: i64,
    chunks: i64,
}

impl From<ExportRow> for Export {
    fn from(row: ExportRow) -> Self {
        Self {
            id: row.id,
            state: match row.state.as_str() {
                "running" => ExportState::Running,
                "ready" => ExportState::Ready,
                "failed" => ExportState::Failed,
                _ => ExportState::Waiting,
            },
            articles_done: row.articles_done.unsigned_abs(),
            articles_total: row.articles_total.unsigned_abs(),
            created_at: row.created_at.into(),
            expires_at: row.expires_at.map(Into::into),
            bytes: row.bytes.unsigned_abs(),
            chunks: u32::try_from(row.chunks).unwrap_or(u32::MAX),
        }
    }
}

pub(crate) async fn start(app: &InProcess, caller: &Caller) -> Result<(Tx, Export)> {
    // The unique index knows whether one is under way. It has a job already.
    const START: &str = concat!(
        "insert into export (account_id, state, created_at, articles_total)
        select id, 'waiting', $2, article_count from account where id = $1
        on conflict (account_id) where state in ('waiting', 'running') do nothing
        returning ",
        columns!()
    );
    const UNDER_WAY: &str = concat!(
        "select ",
        columns!(),
        " from export where account_id = $1 and state in ('waiting', 'running')"
    );
    let (account, _) = app.tokens.account(caller)?;
    let mut tx = app.db.begin().await.map_err(db_error::in_transaction)?;
    let export: Option<ExportRow> = in_tx!(&mut tx, db => sqlx::query_as(START)
        .bind(account).bind(app.clock.now()).fetch_optional(db).await)
    .map_err(db_error::in_transaction)?;
    let Some(export) = export else {
        let found: Option<ExportRow> = in_tx!(&mut tx, db => sqlx::query_as(UNDER_WAY)
            .bind(account).fetch_optional(db).await)
        .map_err(db_error::in_transaction)?;
        // Without one, this is a good token of an account that is gone.
        let export = found.ok_or(Error::Unauthorized(Unauthorized::Invalid))?;
        return Ok((tx, export.into()));
    };
    let new = NewJob {
        task: Task::Export(export::Export { export: export.id }),
        unique_key: None,
        account: Some(account),
        request_id: caller.request_id.as_str(),
    };
    enqueue(app, &mut tx, new).await.map_err(db_error::in_transaction)?;
    Ok((tx, export.into()))
}

pub(crate) async fn list(app: &InProcess, caller: &Caller) -> Result<Vec<Export>> {
    const LIST: &str = concat!(
        "select ",
        columns!(),
        " from export where account_id = $1 and (expires_at is null or expires_at > $2)
        order by id desc limit 10"
    );
    let (account, _) = app.tokens.account(caller)?;
    let rows: Vec<ExportRow> = on_read!(&app.db, db => sqlx::query_as(LIST)
        .bind(account).bind(app.clock.now()).fetch_all(db).await)
    .map_err(db_error::reading)?;
    Ok(rows.into_iter().map(Export::from).collect())
}

pub(crate) async fn chunk(
    app: &InProcess,
    caller: &Caller,
    id: i64,
    number: u32,
) -> Result<Vec<u8>> {
    const CHUNK: &str = "
        select c.content from export e join export_chunk c on c.export_id = e.id
        where e.id = $1 and e.account_id = $2 and e.state = 'ready' and e.expires_at > $3
            and c.number = $4";
    let (account, _) = app.tokens.account(caller)?;
    let content: Option<Vec<u8>> = on_read!(&app.db, db => sqlx::query_scalar(CHUNK)
        .bind(id).bind(account).bind(app.clock.now()).bind(i64::from(number))
        .fetch_optional(db).await)
    .map_err(db_error::reading)?;
    content.ok_or(Error::NotFound(Resource::Export))
}
