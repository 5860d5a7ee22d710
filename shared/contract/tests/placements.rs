//! What is done later, over every wiring and wherever jobs run: in the request, beside it, or somewhere
//! else altogether.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod served;

use std::time::Duration;

use conduit::Conduit;
use contract::{
    databases::{self, TestDatabase, small_dataset},
    suite,
};
use in_process::{InProcess, Options, Placement};
use served::{Served, remote};
use tokio::{sync::oneshot, task::JoinHandle};

/// Somebody who runs jobs until the test has seen enough.
struct Worker(oneshot::Sender<()>, JoinHandle<()>);

impl Worker {
    fn start(app: InProcess, placement: Placement) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        Self(stop, tokio::spawn(app.run_jobs(placement, stopped, Duration::from_secs(5))))
    }

    async fn stop(self) {
        self.0.send(()).unwrap();
        self.1.await.unwrap();
    }
}

async fn app(database: &TestDatabase, placement: Placement) -> InProcess {
    database.connect_with(Options { placement, ..Options::default() }).await
}

/// The suite on the app in this process, and on the same app behind an API.
async fn in_both_architectures(app: &InProcess, what: &str) {
    println!("{what}");
    suite::run_with_workers(app, &small_dataset()).await;
    println!("{what}, behind an API");
    let backend = Served::api(app.clone()).await;
    let elsewhere = remote(backend.address);
    elsewhere.ready().await.unwrap();
    suite::run_with_workers(&elsewhere, &small_dataset()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_request() {
    for database in databases::all().await {
        let app = app(&database, Placement::Inline).await;
        in_both_architectures(&app, &format!("inline, on {}", database.engine)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_serving_process() {
    for database in databases::all().await {
        let app = app(&database, Placement::Inside).await;
        let worker = Worker::start(app.clone(), Placement::Inside);
        in_both_architectures(&app, &format!("inside, on {}", database.engine)).await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_process_of_their_own() {
    for database in databases::all().await {
        let (serving, working) =
            (app(&database, Placement::Off).await, app(&database, Placement::Inside).await);
        let worker = Worker::start(working, Placement::Inside);
        in_both_architectures(&serving, &format!("separate, on {}", database.engine)).await;
        worker.stop().await;
    }
}

/// On a single thread, as on an event loop: jobs and requests take turns.
#[tokio::test]
async fn on_an_event_loop() {
    for database in databases::all().await {
        let app = app(&database, Placement::Inside).await;
        let worker = Worker::start(app.clone(), Placement::Inside);
        suite::run_with_workers(&app, &small_dataset()).await;
        worker.stop().await;
    }
}
