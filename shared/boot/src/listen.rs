//! Where a server listens: a TCP port, and a Unix socket if one is wanted.

use std::{
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::Path,
};

use anyhow::{Context, bail};
use axum::serve::{Listener, ListenerExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// Listens on a port.
pub(crate) async fn tcp(
    listen: SocketAddr,
) -> anyhow::Result<(impl Listener<Addr = SocketAddr>, SocketAddr)> {
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("--listen: {listen}"))?;
    let address = listener.local_addr().context("--listen")?;
    // Small answers on a kept-alive connection must not wait for an acknowledgement.
    let listener = listener.tap_io(|stream: &mut TcpStream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::warn!(%error, "TCP_NODELAY");
        }
    });
    Ok((listener, address))
}

/// Listens on a socket in the file system. Its file stays when the server ends: the next one, which may
/// have begun already, knows an old one from one that is in use.
pub(crate) fn unix(path: &Path) -> anyhow::Result<UnixListener> {
    let listening = clear(path).and_then(|()| Ok(UnixListener::bind(path)?));
    listening.with_context(|| format!("--listen-unix: {}", path.display()))
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => bail!("there is a file that is no socket"),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another server listens there"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            let removed: io::Result<()> = fs::remove_file(path);
            Ok(removed?)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_old_socket_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = unix(&path).unwrap();
        let taken = format!("{:#}", unix(&path).unwrap_err());
        assert!(
            taken.starts_with("--listen-unix: ") && taken.contains("another server"),
            "{taken}"
        );
        drop(first);
        unix(&path).unwrap();

        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        let refused = format!("{:#}", unix(&file).unwrap_err());
        assert!(refused.contains("no socket"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

        let nowhere = format!("{:#}", unix(&folder.path().join("a/b")).unwrap_err());
        assert!(nowhere.starts_with("--listen-unix: "), "{nowhere}");
    }
}
