//! A proxy that loses one answer on its way: the request arrives, the connection dies before the reply is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Runs until the test's runtime ends.
pub struct Proxy {
    pub port: u16,
    lose: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lose = Arc::new(AtomicUsize::new(0));
        let losing = lose.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, losing.clone()));
            }
        });
        Self { port, lose }
    }

    /// Loses the next answer.
    pub fn lose_one(&self) {
        self.lose_nth(1);
    }

    /// Loses the `nth` answer from now.
    pub fn lose_nth(&self, nth: usize) {
        self.lose.store(nth, Ordering::SeqCst);
    }

    /// Whether an answer is still to be lost.
    pub fn is_losing(&self) -> bool {
        self.lose.load(Ordering::SeqCst) > 0
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

async fn carry(client: TcpStream, server: u16, lose: Arc<AtomicUsize>) {
    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move {
        drop(tokio::io::copy(&mut from_client, &mut to_server).await);
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from_server.read(&mut buffer).await {
        let before = lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let lost = count > 0 && before == Ok(1);
        if count == 0 || lost || to_client.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    up.abort();
}
