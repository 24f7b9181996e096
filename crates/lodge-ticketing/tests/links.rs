//! Blob links over HTTP: what a browser is told, and what it is never told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
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

#[tokio::test]
async fn damaged_blobs_are_never_served() {
    let house = house();
    let blob = house.blobs.put(Bytes::from_static(b"text")).await.unwrap();
    house.blobs.damage(&blob);
    let (status, _, body) = house.call(Method::GET, &house.link(&blob, "a.txt", "text/plain")).await;
    assert_eq!((status, body.len()), (StatusCode::INTERNAL_SERVER_ERROR, 0));
}
