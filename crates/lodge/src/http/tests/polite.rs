//! Peers who behave are served.

use super::rig::{SHORT, limits, one, rig, secured, status};
use crate::config::TlsSection;
use crate::http::{Proxies, tls_config};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_many_requests_and_may_rest_between_them() {
    let rig = rig(limits()).await;
    let mut socket = rig.connect().await;
    for _ in 0..3 {
        socket.write_all(GET.as_bytes()).await.unwrap();
        assert!(one(&mut socket, 5).await.ends_with("hello"));
        // Longer than a header may take, shorter than a connection may rest.
        tokio::time::sleep(SHORT * 3 / 2).await;
    }
    assert!(socket.nodelay().is_ok());
}

#[tokio::test]
async fn an_upgraded_connection_has_no_deadlines_of_ours() {
    let rig = rig(limits()).await;
    let mut socket = rig.connect().await;
    let upgrade = "GET /echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    socket.write_all(upgrade.as_bytes()).await.unwrap();
    assert_eq!(status(&one(&mut socket, 0).await), "101");
    for word in ["first", "again"] {
        tokio::time::sleep(SHORT * 4).await;
        socket.write_all(word.as_bytes()).await.unwrap();
        let mut back = [0; 5];
        socket.read_exact(&mut back).await.unwrap();
        assert_eq!(back, word.as_bytes());
    }
}

#[tokio::test]
async fn t64_requests_know_their_peer_and_a_proxy_s_client() {
    let ask =
        |forwarded: &str| format!("GET /who HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{forwarded}\r\n");
    let spoofed = ask("x-forwarded-for: 198.51.100.1\r\n");
    let direct = rig(limits()).await;
    assert!(direct.say(&spoofed).await.ends_with("127.0.0.1 127.0.0.1"));
    let mut behind = limits();
    behind.proxies = Proxies::default();
    let behind = rig(behind).await;
    assert!(behind.say(&spoofed).await.ends_with("127.0.0.1 198.51.100.1"));
    assert!(behind.say(&ask("")).await.ends_with("127.0.0.1 127.0.0.1"));
}

#[tokio::test]
async fn a_slow_but_steady_body_is_taken() {
    let mut steady = limits();
    steady.body_rate = 1024;
    steady.request = SHORT * 10;
    let rig = rig(steady).await;
    let mut socket = rig.connect().await;
    socket.write_all(b"POST /size HTTP/1.1\r\nhost: a\r\ncontent-length: 8192\r\n\r\n").await.unwrap();
    for _ in 0..8 {
        socket.write_all(&[b'x'; 1024]).await.unwrap();
        tokio::time::sleep(SHORT / 3).await;
    }
    assert!(one(&mut socket, 4).await.ends_with("8192"));
}

#[tokio::test]
async fn tls_is_spoken_where_it_is_configured() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/testdata");
    let pair = |certificate: &str, key: &str| TlsSection {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    let tls = tls_config(&folder, &pair("certificate.pem", "key.pem")).unwrap();
    let rig = secured(limits(), Some(tls)).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap()).unwrap();
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // HTTP/2 is asked for, and not given unless it is switched on (T72).
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, rig.connect().await).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"hello"));
    for (wrong, words) in [
        (pair("missing.pem", "key.pem"), "missing.pem"),
        (pair("key.pem", "key.pem"), "holds no certificate"),
        (pair("certificate.pem", "certificate.pem"), "private key"),
    ] {
        let refused = tls_config(&folder, &wrong).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
}
