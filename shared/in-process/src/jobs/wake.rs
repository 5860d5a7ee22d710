//! How a worker learns that there is something to do, without asking all the time.
//!
//! - in the same process: a signal in memory;
//! - between processes on PostgreSQL: NOTIFY, which the database sends when the transaction that
//!   brought the job commits (a trigger, see the migration);
//! - between processes on SQLite: an empty datagram to a socket of each worker, in the data directory.
//!
//! All of them may get lost, and cost a job no more than the worker's next look.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{net::UnixDatagram, sync::Notify, task::JoinHandle};

use crate::{DatabaseArgs, Db, notices};

/// The channel that the trigger of the migration notifies.
const CHANNEL: &str = "conduit_job";

/// Wakes workers, in this process and in others.
#[derive(Clone)]
pub(crate) struct Wake {
    here: Arc<Notify>,
    /// Where the workers of other processes have their sockets.
    sockets: PathBuf,
    /// Whether somebody who shares the database may have one there.
    by_socket: bool,
}

/// Passes on what comes from outside, for as long as it is kept.
pub(crate) struct Listening {
    task: Option<JoinHandle<()>>,
    socket: Option<PathBuf>,
}

impl Wake {
    pub(crate) fn new(database: &DatabaseArgs, db: &Db) -> Self {
        Self {
            here: Arc::new(Notify::new()),
            sockets: database.data_dir.join("wake"),
            by_socket: matches!(db, Db::Sqlite { .. }),
        }
    }

    /// Wakes every worker that can be reached. Never waits.
    pub(crate) fn everybody(&self) {
        // A worker that does not wait right now finds the signal when it does.
        self.here.notify_one();
        if self.by_socket {
            self.others();
        }
    }

    fn others(&self) {
        let Ok(sockets) = std::fs::read_dir(&self.sockets) else { return };
        let Ok(sender) = std::os::unix::net::UnixDatagram::unbound() else { return };
        if sender.set_nonblocking(true).is_err() {
            return;
        }
        for socket in sockets.filter_map(Result::ok).map(|entry| entry.path()) {
            match sender.send_to(&[], &socket) {
                // Its worker is gone: nobody else takes the file away.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    drop(std::fs::remove_file(&socket));
                }
                // Full, which means that it has more than enough to wake up for.
                Err(_) | Ok(_) => {}
            }
        }
    }

    /// Waits for a signal.
    pub(crate) async fn woken(&self) {
        self.here.notified().await;
    }

    /// Begins to pass on signals from other processes.
    pub(crate) async fn listen(&self, db: &Db) -> Listening {
        match db {
            // With a single connection there would be none left to work with.
            Db::Postgres(pool) if pool.options().get_max_connections() > 1 => {
                let here = self.here.clone();
                let heard = move || here.notify_one();
                let task = tokio::spawn(notices::listen(pool.clone(), CHANNEL, heard));
                Listening { task: Some(task), socket: None }
            }
            Db::Postgres(_) => Listening { task: None, socket: None },
            Db::Sqlite { .. } => self.listen_on_socket(),
        }
    }

    fn listen_on_socket(&self) -> Listening {
        let socket = self.sockets.join(std::process::id().to_string());
        match bind(&self.sockets, &socket) {
            Ok(datagrams) => {
                let here = self.here.clone();
                // What came while nobody listened.
                here.notify_one();
                let task = tokio::spawn(async move {
                    while datagrams.recv(&mut [0; 1]).await.is_ok() {
                        here.notify_one();
                    }
                });
                Listening { task: Some(task), socket: Some(socket) }
            }
            Err(error) => {
                tracing::warn!(%error, socket = %socket.display(), "jobs of other processes start late");
                Listening { task: None, socket: None }
            }
        }
    }
}

fn bind(folder: &Path, socket: &Path) -> std::io::Result<UnixDatagram> {
    std::fs::create_dir_all(folder)?;
    // Of an earlier process with this number.
    drop(std::fs::remove_file(socket));
    UnixDatagram::bind(socket)
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(socket) = &self.socket {
            drop(std::fs::remove_file(socket));
        }
    }
}
