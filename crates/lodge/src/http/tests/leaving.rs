//! How the listener stops.

use super::rig::{SHORT, limits, one, rest, rig, status};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn what_is_under_way_finishes_and_newcomers_are_refused() {
    let rig = rig(limits()).await;
    let mut working = rig.connect().await;
    working.write_all(b"GET /slow/allowed HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut resting = rig.connect().await;
    resting.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    one(&mut resting, 5).await;
    let mut silent = rig.connect().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    rig.shutdown.cancel();
    assert_eq!(rest(&mut resting).await, "");
    assert_eq!(rest(&mut silent).await, "");
    assert!(started.elapsed() < SHORT, "those who do nothing leave at once: {:?}", started.elapsed());
    assert!(TcpStream::connect(rig.address).await.is_err(), "a newcomer got in");
    let answer = rest(&mut working).await;
    assert!(answer.ends_with("slow") && answer.contains("connection: close"), "{answer}");
    tokio::time::timeout(SHORT, rig.served).await.expect("the listener ends").unwrap();
}

#[tokio::test]
async fn who_does_not_finish_in_time_is_cut_off() {
    let mut limits = limits();
    limits.body = Duration::from_secs(60);
    limits.request = Duration::from_secs(60);
    let drain = limits.drain;
    let rig = rig(limits).await;
    let mut stuck = rig.connect().await;
    stuck.write_all(b"POST /size HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nx").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    rig.shutdown.cancel();
    tokio::time::timeout(drain * 3, rig.served).await.expect("the listener ends").unwrap();
    assert!(started.elapsed() >= drain, "{:?}", started.elapsed());
    assert_eq!(status(&rest(&mut stuck).await), "none");
}
