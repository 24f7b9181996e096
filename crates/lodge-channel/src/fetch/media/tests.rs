//! A stranger's address reaches nothing of ours, credentials stay with their host, and a file costs what it may cost.

use super::*;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A server on loopback that remembers who authenticated with what.
struct Server {
    address: SocketAddr,
    hits: Arc<AtomicUsize>,
    credentials: Arc<Mutex<Vec<String>>>,
}

async fn server(other: Option<SocketAddr>) -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (hits, credentials) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, seen) = (Arc::clone(&hits), Arc::clone(&credentials));
    let handler = move |request: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        let authorization = request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned());
        seen.lock().unwrap().push(authorization.unwrap_or_default());
        let to =
            |place: String| Response::builder().status(302).header("location", place).body(Body::empty());
        let response = match request.uri().path() {
            "/base/png" => Ok(Response::new(Body::from(&b"\x89PNG\r\n\x1a\nrest"[..]))),
            "/base/large" => Ok(Response::new(Body::from(vec![0; 4096]))),
            "/base/chunked" => {
                let pieces = (0..64).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 1024]));
                Ok(Response::new(Body::from_stream(futures_util::stream::iter(pieces))))
            }
            "/base/once" => to("/base/png".to_owned()),
            "/base/loop" => to("/base/loop".to_owned()),
            "/base/out" => to("/elsewhere".to_owned()),
            "/base/other" => to(format!("http://{}/base/png", other.unwrap())),
            "/base/meta" => to("http://169.254.169.254/latest/meta-data/".to_owned()),
            "/base/gone" => Response::builder().status(404).body(Body::empty()),
            _ => Response::builder().status(503).body(Body::empty()),
        };
        async move { response.unwrap() }
    };
    let router = Router::new().route("/{*path}", get(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { address, hits, credentials }
}

fn client(server: &Server, limit: usize) -> MediaClient {
    let base = Url::parse(&format!("http://{}/base", server.address)).unwrap();
    let mut policy = MediaPolicy::new(&["media.example.com"], Some(base));
    (policy.limit, policy.deadline) = (limit, Duration::from_secs(5));
    MediaClient::new(policy).unwrap()
}

impl Server {
    fn at(&self, path: &str) -> String {
        format!("http://{}/base/{path}", self.address)
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn g04_media_below_the_configured_base_is_fetched_and_its_type_sniffed() {
    let server = server(None).await;
    let client = client(&server, 1024);
    let bearer = Credentials::Bearer(SecretString::from("tok"));
    let fetched = client.fetch(&server.at("once"), &bearer).await.unwrap();
    assert_eq!(fetched.media_type, "image/png");
    assert_eq!(*server.credentials.lock().unwrap(), ["Bearer tok", "Bearer tok"]);
}

#[tokio::test]
async fn g04_too_large_gone_and_later_are_told_apart() {
    let server = server(None).await;
    let client = client(&server, 1024);
    for path in ["large", "chunked"] {
        let error = client.fetch(&server.at(path), &Credentials::None).await.unwrap_err();
        assert_eq!(error, MediaError::TooLarge(1024), "{path}");
    }
    assert_eq!(client.fetch(&server.at("gone"), &Credentials::None).await, Err(MediaError::Gone(404)));
    assert!(client.fetch(&server.at("busy"), &Credentials::None).await.unwrap_err().passes());
}

#[tokio::test]
async fn t50_nothing_private_is_fetched_but_the_configured_base() {
    let server = server(None).await;
    let client = client(&server, 1024);
    let port = server.address.port();
    let spellings = [
        format!("http://127.0.0.1:{port}/secret"),
        format!("http://127.0.0.1:{port}/base/../secret"),
        format!("http://localhost:{port}/base/png"),
        format!("http://127.1:{port}/base2/png"),
        format!("http://[::ffff:127.0.0.1]:{port}/base/png"),
        format!("http://a:b@127.0.0.1:{port}/base/png"),
        format!("https://127.0.0.1:{port}/base/png"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://169.254.169.254.nip.io/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "https://media.example.com:8443/".to_owned(),
        "http://media.example.com/".to_owned(),
        "data:text/plain,x".to_owned(),
        String::new(),
    ];
    for address in spellings {
        let verdict = client.fetch(&address, &Credentials::Bearer(SecretString::from("tok"))).await;
        assert_eq!(verdict, Err(MediaError::Refused), "{address}");
    }
    assert_eq!(server.hits(), 0, "nothing was asked for");
}

#[tokio::test]
async fn t50_a_listed_name_with_a_private_address_is_refused() {
    // A name that the system's resolver knows as loopback stands for a name whose owner points it inwards.
    let client = MediaClient::new(MediaPolicy::new(&["localhost"], None)).unwrap();
    assert_eq!(client.fetch("https://localhost/", &Credentials::None).await, Err(MediaError::Refused));
}

#[tokio::test]
async fn t50_redirects_are_few_and_checked_like_the_first_address() {
    let server = server(None).await;
    let client = client(&server, 1024);
    for (path, hits) in [("out", 1), ("meta", 1), ("loop", 3)] {
        let before = server.hits();
        assert_eq!(
            client.fetch(&server.at(path), &Credentials::None).await,
            Err(MediaError::Refused),
            "{path}"
        );
        assert_eq!(server.hits() - before, hits, "{path}");
    }
}

#[tokio::test]
async fn t51_credentials_do_not_follow_to_another_host() {
    let other = server(None).await;
    let server = server(Some(other.address)).await;
    let client = client(&server, 1024);
    let basic = Credentials::Basic("sid".to_owned(), SecretString::from("token"));
    let verdict = client.fetch(&server.at("other"), &basic).await;
    assert_eq!(verdict, Err(MediaError::Refused), "another port is another place");
    assert_eq!(other.hits(), 0);
    let spoofed = client.fetch(&other.at("png"), &basic).await;
    assert_eq!(spoofed, Err(MediaError::Refused));
    assert_eq!((other.hits(), server.credentials.lock().unwrap().len()), (0, 1));
}

#[test]
fn a_server_says_nothing_that_is_no_media_type() {
    assert_eq!(media_type(Some("Image/JPEG; q=1")), "image/jpeg");
    for bad in [None, Some(""), Some("a"), Some("a/b/c"), Some("text/<script>")] {
        assert_eq!(media_type(bad), "application/octet-stream", "{bad:?}");
    }
    assert_eq!(sniff(b"\0\0\0\x20ftypisom"), Some("video/mp4"));
    assert_eq!(sniff(b"hello"), None);
}
