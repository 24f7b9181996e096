//! Blob links over HTTP: what a browser is told, and what it is never told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, Method, Request, StatusCode};
use lodge_domain::ports::{Blobs, Clock};
use lodge_domain::{BlobRef, BrandName, KeyRing, SignedDuration};
use lodge_testkit::{ManualClock, MemoryBlobs};
use lodge_ticketing::{BlobLinks, LinkTarget, blob_router};
use std::sync::Arc;
use tower::ServiceExt;
use url::Url;

struct House {
    clock: Arc<ManualClock>,
    blobs: MemoryBlobs,
    links: BlobLinks,
    router: Router,
}

fn house() -> House {
    let clock = Arc::new(ManualClock::new());
    let keys = KeyRing::new(&[(1, vec![1; 32])]).unwrap();
    let blobs = MemoryBlobs::new(clock.clone());
    let links = BlobLinks::new(keys.clone(), &Url::parse("https://help.example.com/").unwrap());
    let router = blob_router(keys, Arc::new(blobs.clone()), clock.clone());
    House { clock, blobs, links, router }
}

impl House {
    fn link(&self, blob: &BlobRef, name: &str, media_type: &str) -> String {
        let target = LinkTarget {
            brand: BrandName::unbranded(),
            blob: blob.clone(),
            name: Some(name.to_owned()),
            media_type: media_type.to_owned(),
        };
        let href = self.links.href(&target, self.clock.now() + SignedDuration::from_hours(1)).unwrap();
        href.strip_prefix("https://help.example.com").unwrap().to_owned()
    }

    async fn call(&self, method: Method, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, axum::body::to_bytes(body, 1 << 20).await.unwrap())
    }
}

#[tokio::test]
async fn t33_blobs_are_downloads_that_no_browser_runs() {
    let house = house();
    let blob = house.blobs.put(Bytes::from_static(b"<script>alert(1)</script>")).await.unwrap();
    let path = house.link(&blob, "ev\u{202e}il\r\n\".svg", "image/svg+xml");
    for (method, body) in [(Method::GET, "<script>alert(1)</script>"), (Method::HEAD, "")] {
        let (status, headers, received) = house.call(method, &path).await;
        assert_eq!((status, received.as_ref()), (StatusCode::OK, body.as_bytes()));
        assert_eq!(
            headers["content-disposition"],
            "attachment; filename=\"evil_.svg\"; filename*=UTF-8''evil%22.svg"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["content-length"], "25");
    }
    assert_eq!(house.call(Method::POST, &path).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn forged_expired_and_unknown_links_look_alike() {
    let house = house();
    let blob = house.blobs.put(Bytes::from_static(b"text")).await.unwrap();
    let path = house.link(&blob, "a.txt", "text/plain");
    let missing = house.link(&BlobRef { sha256: "0".repeat(64), size: 4 }, "a.txt", "text/plain");
    let forged = format!("{path}A");
    let mut seen = Vec::new();
    for bad in [missing.as_str(), &forged, "/blobs/x"] {
        seen.push(house.call(Method::GET, bad).await);
    }
    assert_eq!(house.call(Method::GET, &path).await.0, StatusCode::OK);
    house.clock.advance_secs(3601);
    seen.push(house.call(Method::GET, &path).await);
    for answer in &seen {
        assert_eq!(answer.0, StatusCode::NOT_FOUND);
        assert_eq!(answer, &seen[0]);
    }
}

/// Everything a token says is signed together: no part of one opens another blob.
#[tokio::test]
async fn t05_a_link_opens_its_own_blob_and_no_other() {
    let house = house();
    let mine = house.blobs.put(Bytes::from_static(b"mine")).await.unwrap();
    let theirs = house.blobs.put(Bytes::from_static(b"they")).await.unwrap();
    let token = |blob: &BlobRef, name: &str| {
        let link = house.link(blob, name, "text/plain");
        BASE64URL_NOPAD.decode(link.strip_prefix("/blobs/").unwrap().as_bytes()).unwrap()
    };
    let (own, foreign) = (token(&mine, "a.txt"), token(&theirs, "a.txt"));
    assert_eq!(own.len(), foreign.len());
    let refused = house.call(Method::GET, "/blobs/x").await;
    assert_eq!(refused.0, StatusCode::NOT_FOUND);
    // Version, key and expiry; size; hash; names; MAC: any run of bytes taken from the other token.
    let borders = [0, 2, 10, 18, 50, own.len() - 16, own.len()];
    for (at, from) in borders.iter().enumerate() {
        for to in &borders[at + 1..] {
            let mut spliced = own.clone();
            spliced[*from..*to].copy_from_slice(&foreign[*from..*to]);
            // The two differ in hash and MAC: a splice is one of them where it takes both, or neither.
            let (hash, mac) = (*from <= 18 && *to >= 50, *to == own.len());
            let genuine = hash == mac;
            let answer =
                house.call(Method::GET, &format!("/blobs/{}", BASE64URL_NOPAD.encode(&spliced))).await;
            if genuine {
                assert_eq!(answer.0, StatusCode::OK, "{from}..{to}");
            } else {
                assert_eq!(answer, refused, "{from}..{to}");
            }
        }
    }
    let stranger = KeyRing::new(&[(1, vec![2; 32])]).unwrap();
    let base = Url::parse("https://help.example.com/").unwrap();
    let target = LinkTarget {
        brand: BrandName::unbranded(),
        blob: mine,
        name: None,
        media_type: "text/plain".to_owned(),
    };
    let expires = house.clock.now() + SignedDuration::from_hours(1);
    let forged = BlobLinks::new(stranger, &base).href(&target, expires).unwrap();
    assert_eq!(
        house.call(Method::GET, forged.strip_prefix("https://help.example.com").unwrap()).await,
        refused
    );
}

#[tokio::test]
async fn damaged_blobs_are_never_served() {
    let house = house();
    let blob = house.blobs.put(Bytes::from_static(b"text")).await.unwrap();
    house.blobs.damage(&blob);
    let (status, _, body) = house.call(Method::GET, &house.link(&blob, "a.txt", "text/plain")).await;
    assert_eq!((status, body.len()), (StatusCode::INTERNAL_SERVER_ERROR, 0));
}
