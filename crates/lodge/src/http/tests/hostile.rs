//! Peers who dawdle, flood or break things cost at most themselves.

use super::rig::{SHORT, limits, one, rest, rig, secured, status};
use crate::config::TlsSection;
use crate::http::{HttpLimits, Proxies, tls_config};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CLOSE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const MARGIN: Duration = Duration::from_millis(1500);

/// Connections may rest for long, so that nothing else closes them.
fn restful() -> HttpLimits {
    HttpLimits { idle: Duration::from_secs(60), ..limits() }
}

#[tokio::test]
async fn t68_a_connection_that_says_nothing_is_closed() {
    let rig = rig(restful()).await;
    let started = Instant::now();
    assert_eq!(rest(&mut rig.connect().await).await, "");
    assert!(started.elapsed() >= SHORT && started.elapsed() < SHORT + MARGIN, "{:?}", started.elapsed());
}

#[tokio::test]
async fn t68_a_header_that_drips_is_cut_off() {
    let rig = rig(restful()).await;
    for first_request in [true, false] {
        let mut socket = rig.connect().await;
        if !first_request {
            socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            one(&mut socket, 5).await;
        }
        let started = Instant::now();
        let (mut reader, mut writer) = socket.into_split();
        let drip = tokio::spawn(async move {
            for byte in CLOSE.bytes().cycle().filter(|byte| *byte != b'\n') {
                if writer.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), reader.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "first request: {first_request}");
        assert!(started.elapsed() < SHORT + MARGIN, "{:?}", started.elapsed());
        drip.abort();
    }
}

#[tokio::test]
async fn t68_a_resting_connection_is_closed_in_the_end() {
    let rig = rig(limits()).await;
    let mut socket = rig.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    one(&mut socket, 5).await;
    let started = Instant::now();
    assert_eq!(rest(&mut socket).await, "");
    assert!(
        started.elapsed() >= SHORT * 2 && started.elapsed() < SHORT * 3 + MARGIN,
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn t68_a_body_that_drips_gets_408() {
    let rig = rig(limits()).await;
    let mut socket = rig.connect().await;
    socket.write_all(b"POST /size HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\nx").await.unwrap();
    let started = Instant::now();
    let answer = rest(&mut socket).await;
    assert_eq!(status(&answer), "408", "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(started.elapsed() < SHORT + MARGIN, "{:?}", started.elapsed());
}

#[tokio::test]
async fn t68_an_answer_nobody_takes_is_given_up() {
    let rig = rig(HttpLimits { connections: 1, ..limits() }).await;
    let mut stalled = rig.connect().await;
    stalled.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // There is room for one connection only: another is served once the first is cut off.
    let waiting = tokio::time::timeout(Duration::from_secs(5), rig.say(CLOSE)).await;
    assert_eq!(status(&waiting.expect("room again")), "200");
}

#[tokio::test]
async fn t68_a_handshake_that_never_comes_is_given_up() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/testdata");
    let pair = TlsSection { certificate: "certificate.pem".to_owned(), key: "key.pem".to_owned() };
    let rig = secured(limits(), Some(tls_config(&folder, &pair).unwrap())).await;
    let started = Instant::now();
    assert_eq!(rest(&mut rig.connect().await).await, "");
    assert!(started.elapsed() < SHORT + MARGIN, "{:?}", started.elapsed());
}

#[tokio::test]
async fn oversized_headers_get_431() {
    let rig = rig(HttpLimits { header_bytes: 8192, ..limits() }).await;
    let fits = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {}\r\n\r\n", "x".repeat(7000));
    assert_eq!(status(&rig.say(&fits).await), "200");
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(9000));
    assert_eq!(status(&rig.say(&long).await), "431");
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert_eq!(status(&rig.say(&many).await), "431");
}

#[tokio::test]
async fn t64_smuggled_requests_are_refused() {
    let rig = rig(limits()).await;
    for framing in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: +5\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
    ] {
        let answer = rig
            .say(&format!(
                "POST /size HTTP/1.1\r\nhost: a\r\n{framing}\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"
            ))
            .await;
        assert_eq!((status(&answer), answer.matches("HTTP/1.1").count()), ("400", 1), "{framing}{answer}");
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_gives_503_unless_its_path_may() {
    let rig = rig(limits()).await;
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let answer = rig.say(&ask("/slow")).await;
    assert_eq!(status(&answer), "503", "{answer}");
    assert!(answer.contains("retry-after: 5"), "{answer}");
    assert!(rig.say(&ask("/slow/allowed")).await.ends_with("slow"));
}

#[tokio::test]
async fn t30_a_panic_costs_its_own_request_only() {
    let rig = rig(limits()).await;
    for _ in 0..3 {
        let answer = rig.say("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(status(&answer), "500", "{answer}");
        assert!(!answer.contains("own fault"), "{answer}");
    }
    assert_eq!(status(&rig.say(CLOSE).await), "200");
}

#[tokio::test]
async fn t69_one_client_s_connections_never_shut_out_another() {
    let rig = rig(HttpLimits { per_client: 4, first_byte: Duration::from_secs(5), ..limits() }).await;
    let mut hoard = Vec::new();
    for _ in 0..4 {
        hoard.push(rig.connect_from("127.0.0.2").await);
    }
    let mut fifth = rig.connect_from("127.0.0.2").await;
    assert_eq!(rest(&mut fifth).await, "");
    let mut other = rig.connect_from("127.0.0.3").await;
    other.write_all(CLOSE.as_bytes()).await.unwrap();
    assert_eq!(status(&rest(&mut other).await), "200");
    drop(hoard.pop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut again = rig.connect_from("127.0.0.2").await;
    again.write_all(CLOSE.as_bytes()).await.unwrap();
    assert_eq!(status(&rest(&mut again).await), "200");
}

#[tokio::test]
async fn t69_behind_a_proxy_requests_count_by_their_client() {
    let rig = rig(HttpLimits { per_client: 2, proxies: Proxies::default(), ..limits() }).await;
    let ask = |client: &str| {
        format!(
            "GET /slow/allowed HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-forwarded-for: {client}\r\n\r\n"
        )
    };
    let (first, second, other) = (ask("198.51.100.1"), ask("198.51.100.1"), ask("198.51.100.2"));
    let third = async {
        tokio::time::sleep(SHORT / 2).await;
        rig.say(&ask("198.51.100.1")).await
    };
    let (first, second, other, third) =
        tokio::join!(rig.say(&first), rig.say(&second), rig.say(&other), third);
    assert_eq!(
        [status(&first), status(&second), status(&other), status(&third)],
        ["200", "200", "200", "429"]
    );
    assert_eq!(status(&rig.say(&ask("198.51.100.1")).await), "200", "places are given back");
}
