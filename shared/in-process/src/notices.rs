//! Hearing of what others do to the same database. PostgreSQL tells whoever listens, when a
//! transaction commits (triggers, see the migrations); SQLite tells nobody.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};

use crate::{Db, InProcess, StartError};

/// The channel on which the database says that lists of articles, or the tags, are no longer what they
/// were.
const LISTS_CHANNEL: &str = "conduit_lists";

impl InProcess {
    /// Has `changed` called whenever another process may have changed what lists of articles or the
    /// tags show, for as long as the database is open: at each notice of the database, and when notices
    /// may have been missed. It takes one connection.
    ///
    /// On SQLite nobody can tell, and it is never called.
    ///
    /// # Errors
    /// When there are too few connections to spare one; names the setting.
    pub fn on_change(&self, changed: impl Fn() + Send + Sync + 'static) -> Result<(), StartError> {
        /// One to listen for jobs, one for this, one to work with.
        const LEAST: u32 = 3;
        let Db::Postgres(pool) = &self.db else { return Ok(()) };
        if pool.options().get_max_connections() < LEAST {
            return Err(StartError::TooFewConnections(LEAST));
        }
        tokio::spawn(listen(pool.clone(), LISTS_CHANNEL, changed));
        Ok(())
    }
}

/// Calls `heard` for each notice on a channel, and whenever some may have been missed. Ends when the
/// pool is closed. Holds one of its connections, so that a process never has more of them than it may.
pub(crate) async fn listen(pool: PgPool, channel: &str, heard: impl Fn()) {
    loop {
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(channel).await?;
            // What came while nobody listened.
            heard();
            // `None` is a connection that broke, and was replaced by a new one.
            loop {
                listener.try_recv().await?;
                heard();
            }
        };
        let ended: sqlx::Result<()> = listening.await;
        match ended {
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => tracing::debug!(%error, channel, "not listening"),
            Ok(()) => {}
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
