//! A connection to the emulator that a test can cut, while the emulator keeps its state.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A TCP relay on a port of its own. Name its [`Relay::url`] as the `endpointUrl` of an AWSAccount; other tests on the same
/// emulator notice nothing when it is cut. It lives in the runtime that started it.
pub struct Relay {
    url: String,
    open: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// A relay to `upstream`, an `http://host:port` URL.
    ///
    /// # Errors
    /// When the URL is another kind, or no port is free.
    pub async fn start(upstream: &str) -> Result<Relay> {
        let address = upstream.strip_prefix("http://").context("a relay needs an http:// URL")?;
        let address = address.trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let open = Arc::new(watch::Sender::new(true));
        let state = Arc::clone(&open);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, address.clone(), state.subscribe()));
            }
        });
        Ok(Relay { url, open, accepting })
    }

    /// Its own URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends every connection; new ones are closed at once.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn restore(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn relay(mut client: TcpStream, upstream: String, mut open: watch::Receiver<bool>) {
    if !*open.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(&upstream).await else {
        return;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}
