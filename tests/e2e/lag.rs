//! Shows what a test takes for granted: with `STEPGATE_E2E_LAG=MILLIS` each connection of the operator's to the API server answers
//! up to so much later, and each to AWS up to a twentieth of it. So Secrets, plans and routes are seen in another order than written,
//! and a reconcile is under way for longer; what one connection says stays in order. With 1500 a test that has to write forty statuses outlasts its patience.

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// For how long a connection lags alike: a watch lives for minutes, and shall be before and behind another.
const ALIKE: Duration = Duration::from_secs(5);

/// The most that the API server's answers are late.
pub fn bound() -> Option<Duration> {
    let text = std::env::var("STEPGATE_E2E_LAG").ok()?;
    let millis = text.parse().unwrap_or_else(|_| panic!("STEPGATE_E2E_LAG is `{text}`, no number of milliseconds"));
    Some(Duration::from_millis(millis))
}

/// A URL that answers as this one does, on each connection up to `bound` later, until the process ends. TLS passes through.
pub fn before(url: &str, bound: Duration) -> String {
    let (scheme, upstream) = url.trim_end_matches('/').split_once("://").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let lagging = format!("{scheme}://{}", listener.local_addr().unwrap());
    let upstream = upstream.to_owned();
    // The runtime of the test that starts it ends with the test.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, upstream.clone(), bound));
            }
        });
    });
    lagging
}

async fn relay(client: TcpStream, upstream: String, bound: Duration) {
    let Ok(server) = TcpStream::connect(&upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut asked, mut told) = client.into_split();
    let (mut heard, mut asking) = server.into_split();
    let (send, mut late) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let ask = async move {
        let _ = tokio::io::copy(&mut asked, &mut asking).await;
    };
    let hear = async move {
        let (mut lag, mut until) = (Duration::ZERO, Instant::now());
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = heard.read(&mut buffer).await {
            let now = Instant::now();
            if now >= until {
                (lag, until) = (bound.mul_f64(fastrand::f64()), now + ALIKE);
            }
            let _ = send.send((now + lag, buffer[..length].to_vec()));
        }
    };
    let tell = async move {
        while let Some((at, bytes)) = late.recv().await {
            sleep_until(at).await;
            if told.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(ask, hear, tell);
}
