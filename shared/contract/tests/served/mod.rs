//! A router behind a real listener, for as long as a test needs it.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{Router, http::StatusCode, routing::get};
use conduit::Conduit;
use remote::{BackendArgs, HttpVersion, Remote};
use tokio::{net::TcpListener, runtime::Runtime};

/// A server in the background. It dies, with all its connections, when this value goes.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// A runtime of its own: to shut that down is what comes closest to the end of a process.
    runtime: Option<Runtime>,
}

impl Served {
    /// Serves the API over `port`, and whether it is ready, on a free port of this machine.
    pub(crate) async fn api(port: impl Conduit) -> Self {
        Self::router(api(port)).await
    }

    /// Serves any router, on a free port of this machine.
    pub(crate) async fn router(router: Router) -> Self {
        Self::router_at((Ipv4Addr::LOCALHOST, 0).into(), router).await
    }

    /// Serves any router at this address, as soon as it is free.
    pub(crate) async fn router_at(address: SocketAddr, router: Router) -> Self {
        let runtime = Runtime::new().unwrap();
        let serve = async move {
            let listener = loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move { axum::serve(listener, router).await });
            address
        };
        let address = runtime.spawn(serve).await.unwrap();
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a backend serves.
pub(crate) fn api(port: impl Conduit) -> Router {
    let readiness = port.clone();
    let ready = || async move {
        match readiness.ready().await {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    api::router(port).route("/readyz", get(ready))
}

/// A client of whatever listens, or will listen, at this address.
pub(crate) fn remote(address: SocketAddr) -> Remote {
    remote_over(HttpVersion::default(), address)
}

/// The same, by this version of HTTP.
pub(crate) fn remote_over(version: HttpVersion, address: SocketAddr) -> Remote {
    let args = BackendArgs::at(format!("http://{address}"));
    Remote::new(&BackendArgs { backend_http: version, ..args }).unwrap()
}
