//! What one call of the port costs on each side of the boundary, without a database in the picture:
//! a function call; the same with its answer encoded and decoded; the least that an exchange of the
//! same bytes can be, over a Unix socket and over TCP; the same by reqwest, as most would write it;
//! and the call as the frontend makes it.
//!
//! `cargo bench --bench boundary`. It answers "how long does this step take", in one process. What
//! the boundary costs the app, under load and with real processes, is the lab's question.

use std::{hint::black_box, time::Duration};

use axum::serve::Listener;
use bytes::Bytes;
use conduit::{Caller, Conduit, ListArticles, RequestId, wire};
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use remote::{BackendArgs, Remote};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    runtime::Runtime,
    sync::Mutex,
};

fn caller() -> Caller {
    let id = RequestId::parse("bench").expect("a harmless number");
    Caller::new(None, id, Duration::from_secs(30))
}

/// Serves the API on a listener, for as long as the runtime lives.
fn serve<L: Listener<Addr: std::fmt::Debug>>(runtime: &Runtime, listener: L, app: InMemory) {
    let router = api::router(app);
    runtime.spawn(axum::serve(listener, router).into_future());
}

/// A connection that is kept, with nothing around it: no pool, no limits, no second attempt.
struct Wire(Mutex<SendRequest<Empty<Bytes>>>);

impl Wire {
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(driver);
        Self(Mutex::new(sender))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let request = Request::get(path).header(HOST, "bench").body(Empty::new());
        let mut sender = self.0.lock().await;
        sender.ready().await.expect("a connection that is kept");
        let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("all of it").to_bytes();
        serde_json::from_slice(&body).expect("JSON of the contract")
    }
}

/// One operation, over everything that there is.
struct Sides<'a> {
    runtime: &'a Runtime,
    here: &'a InMemory,
    unix: &'a Wire,
    tcp: &'a Wire,
    /// A client as most would write it, and where the backend is.
    reqwest: (&'a reqwest::Client, String),
    elsewhere: &'a Remote,
}

impl Sides<'_> {
    fn compare<T: Serialize + DeserializeOwned>(
        &self,
        mut group: BenchmarkGroup<'_, WallTime>,
        path: &str,
        call: impl AsyncFn(&InMemory) -> T,
        remote: impl AsyncFn(&Remote),
    ) {
        let Self { runtime, here, unix, tcp, reqwest: (client, origin), elsewhere } = self;
        group.bench_function("call", |b| {
            b.to_async(*runtime).iter(|| async { call(here).await });
        });
        group.bench_function("codec", |b| {
            b.to_async(*runtime).iter(|| async {
                let json = serde_json::to_vec(&call(here).await).expect("JSON");
                serde_json::from_slice::<T>(&json).expect("the same")
            });
        });
        for (name, wire) in [("Unix socket", unix), ("TCP", tcp)] {
            group.bench_function(name, |b| {
                b.to_async(*runtime).iter(|| async { wire.get::<T>(black_box(path)).await });
            });
        }
        let url = format!("{origin}{path}");
        group.bench_function("reqwest", |b| {
            b.to_async(*runtime).iter(|| async {
                let answer = client.get(black_box(&url)).send().await.expect("an answer");
                answer.json::<T>().await.expect("JSON of the contract")
            });
        });
        group.bench_function("call of the backend", |b| {
            b.to_async(*runtime).iter(|| async { remote(elsewhere).await });
        });
        group.finish();
    }
}

fn boundary(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dataset = Dataset::new(Size::default(), 1);
    let slug = dataset.article(17).slug;
    let here = InMemory::new(&dataset);
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");

    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    serve(&runtime, listener, here.clone());
    let unix_listener = runtime.block_on(async { UnixListener::bind(&socket) }).expect("a socket");
    serve(&runtime, unix_listener, here.clone());

    let (unix, tcp) = runtime.block_on(async {
        let unix = UnixStream::connect(&socket).await.expect("a connection");
        let tcp = TcpStream::connect(address).await.expect("a connection");
        tcp.set_nodelay(true).expect("an option");
        (Wire::over(unix).await, Wire::over(tcp).await)
    });
    let origin = format!("http://{address}");
    let elsewhere = Remote::new(&BackendArgs::at(origin.clone()));
    let sides = Sides {
        runtime: &runtime,
        here: &here,
        unix: &unix,
        tcp: &tcp,
        reqwest: (&reqwest::Client::new(), origin),
        elsewhere: &elsewhere.expect("a backend"),
    };

    sides.compare(
        criterion.benchmark_group("article"),
        &format!("{}{}", wire::API, wire::path::of(wire::path::ARTICLE, &slug)),
        async |here| {
            let article = here.article(&caller(), black_box(&slug)).await.expect("an article");
            wire::ArticleBody { article }
        },
        async |elsewhere| {
            let article = elsewhere.article(&caller(), black_box(&slug)).await;
            black_box(article.expect("an article"));
        },
    );
    let list = ListArticles { limit: 10, ..ListArticles::default() };
    sides.compare(
        criterion.benchmark_group("list of ten"),
        &format!("{}{}?limit=10", wire::API, wire::path::ARTICLES),
        async |here| here.articles(&caller(), black_box(&list)).await.expect("a page"),
        async |elsewhere| {
            let page = elsewhere.articles(&caller(), black_box(&list)).await;
            black_box(page.expect("a page"));
        },
    );
}

criterion_group!(benches, boundary);
criterion_main!(benches);
