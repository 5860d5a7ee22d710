//! A mail server that counts: what has left the house is seen from outside, and nowhere else.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// Message-ID → how often it came.
pub(crate) type Received = Arc<Mutex<BTreeMap<String, u32>>>;

/// Listens on a free port, for as long as the test runs.
pub(crate) fn serve() -> (SocketAddr, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let received = Received::default();
    let counts = received.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let counts = counts.clone();
            // Whoever is killed in the middle of a word just goes.
            std::thread::spawn(move || drop(talk(&client, &counts)));
        }
    });
    (address, received)
}

fn talk(mut client: &TcpStream, counts: &Received) -> std::io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    client.write_all(b"220 here\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        match line.split(' ').next().unwrap_or_default() {
            "DATA" => {
                client.write_all(b"354 go on\r\n")?;
                let mut id = None;
                loop {
                    let Some(line) = lines.next().transpose()? else { return Ok(()) };
                    if line == "." {
                        break;
                    }
                    if let Some(name) = line.strip_prefix("Message-ID: ") {
                        id = Some(name.to_owned());
                    }
                }
                *counts.lock().unwrap().entry(id.unwrap()).or_default() += 1;
                client.write_all(b"250 accepted\r\n")?;
            }
            "QUIT" => return client.write_all(b"221 bye\r\n"),
            _ => client.write_all(b"250 fine\r\n")?,
        }
    }
    Ok(())
}
