//! The suite, over every way in which port, front door and database can be put together.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod served;

use conduit::Conduit;
use contract::{
    databases,
    dataset::{Dataset, Size},
    in_memory::InMemory,
    suite,
};
use remote::{BackendArgs, HttpVersion, Remote};
use served::{Served, api, remote, remote_over};
use tempfile::TempDir;
use tokio::net::UnixListener;

fn dataset() -> Dataset {
    Dataset::new(Size { users: 25, articles: 120, ..Size::default() }, 7)
}

#[tokio::test]
async fn in_memory() {
    suite::run(&InMemory::new(&dataset()), &dataset()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_behind_an_api() {
    let backend = Served::api(InMemory::new(&dataset())).await;
    suite::run(&remote(backend.address), &dataset()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process() {
    for database in databases::with(&dataset()).await {
        println!("in process, on {}", database.engine);
        suite::run(&database.connect().await, &dataset()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process_behind_an_api() {
    for database in databases::with(&dataset()).await {
        println!("over one hop, on {}", database.engine);
        let backend = Served::api(database.connect().await).await;
        suite::run(&remote(backend.address), &dataset()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process_behind_two_apis() {
    for database in databases::with(&dataset()).await {
        println!("over two hops, on {}", database.engine);
        let far = Served::api(database.connect().await).await;
        let near = Served::api(remote(far.address)).await;
        suite::run(&remote(near.address), &dataset()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process_behind_an_api_over_http2() {
    for database in databases::with(&dataset()).await {
        println!("over HTTP/2, on {}", database.engine);
        let backend = Served::api(database.connect().await).await;
        suite::run(&remote_over(HttpVersion::Two, backend.address), &dataset()).await;
    }
}

/// A client of a backend that is reached by its Unix socket, in `folder`.
fn over_unix(version: HttpVersion, port: impl Conduit, folder: &TempDir) -> Remote {
    let socket = folder.path().join("backend.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move { axum::serve(listener, api(port)).await });
    let args = BackendArgs::at(format!("unix:{}", socket.display()));
    Remote::new(&BackendArgs { backend_http: version, ..args }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_behind_an_api_on_a_unix_socket() {
    for version in [HttpVersion::One, HttpVersion::Two] {
        let folder = tempfile::tempdir().unwrap();
        let remote = over_unix(version, InMemory::new(&dataset()), &folder);
        remote.ready().await.unwrap();
        suite::run(&remote, &dataset()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process_behind_an_api_on_a_unix_socket() {
    for database in databases::with(&dataset()).await {
        println!("over a Unix socket, on {}", database.engine);
        let folder = tempfile::tempdir().unwrap();
        let remote = over_unix(HttpVersion::One, database.connect().await, &folder);
        suite::run(&remote, &dataset()).await;
    }
}
