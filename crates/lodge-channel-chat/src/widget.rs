//! `GET /widget.js`: the built widget, the same for every inbox. Needs no Node to be served; `widget/` has its source.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

/// The built file.
const SCRIPT: &str = include_str!("../assets/widget.js");

/// The name of this very build, for caches.
fn tag() -> String {
    use lodge_domain::digest_parts;
    format!("\"{}\"", &data_encoding::HEXLOWER.encode(&digest_parts(&[SCRIPT.as_bytes()])[..8]))
}

/// The route; any website may load the script, and only configured ones may speak.
pub fn widget_route() -> Router {
    Router::new().route("/widget.js", get(script))
}

async fn script(headers: HeaderMap) -> Response {
    let tag = tag();
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut answer = if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        SCRIPT.into_response()
    };
    let fixed = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    let headers = answer.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_widget_is_served_once_and_then_known() {
        let first = script(HeaderMap::new()).await;
        assert_eq!(first.status(), StatusCode::OK);
        let mut again = HeaderMap::new();
        again.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(script(again).await.status(), StatusCode::NOT_MODIFIED);
    }
}
