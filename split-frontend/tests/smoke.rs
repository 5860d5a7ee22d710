//! The binary from outside: all it needs is the backend's address, and it outlives the backend.

use std::net::{SocketAddr, TcpListener};

use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
    process::{Server, command, eventually, refusal},
};

const BINARY: &str = env!("CARGO_BIN_EXE_split-frontend");

fn frontend(backend: SocketAddr) -> Server {
    let url = format!("http://{backend}");
    let env = [("BACKEND_URL", url.as_str()), ("LISTEN", "127.0.0.1:0")];
    Server::start(command(BINARY, &["serve"], &env)).expect("a ready frontend")
}

/// A backend on the given port, until the returned handle is dropped.
fn backend(listener: TcpListener) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let port = InMemory::new(&Dataset::new(Size { articles: 20, ..Size::default() }, 1));
    let app = api::router(port).route("/readyz", axum::routing::get(|| async {}));
    runtime.spawn(async move {
        listener.set_nonblocking(true)?;
        axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
    });
    runtime
}

#[test]
fn it_outlives_its_backend() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = frontend(address);
    assert_eq!(server.ready_line, format!("ready http://{} role=split-frontend", server.address));

    // Nobody there: it lives, it is not ready, and visitors get a page that says so.
    assert_eq!(server.get("/healthz").unwrap().status, 200);
    assert_eq!(server.get("/readyz").unwrap().status, 503);
    let home = server.get("/").unwrap();
    assert_eq!(home.status, 503);
    assert!(home.body.contains("navbar"), "{}", home.body);

    // The backend comes: the frontend recovers by itself. It goes and comes again: the same.
    for _ in 0..2 {
        let backend = backend(TcpListener::bind(address).unwrap());
        eventually("pages with a backend", || server.get("/").unwrap().status == 200);
        assert_eq!(server.get("/readyz").unwrap().status, 200);
        backend.shutdown_background();
        eventually("503 without a backend", || server.get("/").unwrap().status == 503);
    }

    server.terminate().unwrap();
    let (status, more_lines) = server.wait().unwrap();
    assert!(status.success() && more_lines.is_empty(), "{status} {more_lines:?}");
}

#[test]
fn it_refuses_bad_settings_in_one_line() {
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("--backend-url", &[]),
        ("--backend-url", &[("BACKEND_URL", "localhost:3002/api")]),
        ("--backend-http", &[("BACKEND_URL", "http://127.0.0.1:1"), ("BACKEND_HTTP", "3")]),
        ("--listen", &[("BACKEND_URL", "http://127.0.0.1:1"), ("LISTEN", "here")]),
    ];
    for (setting, env) in cases {
        let said = refusal(command(BINARY, &["serve"], env)).unwrap();
        assert!(said.lines().next().unwrap().starts_with("error: "), "{said}");
        assert!(said.contains(setting), "{setting}: {said}");
    }
}
