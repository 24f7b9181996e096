//! A provider's API on loopback: remembers every call, and answers as told, else that it worked.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) retry_key: Option<String>,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What is answered to the next call whose path contains this.
struct Told {
    path: String,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    calls: Arc<Mutex<Vec<Call>>>,
    told: Arc<Mutex<VecDeque<Told>>>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let api = Self { base, calls: Arc::default(), told: Arc::default() };
        let server = api.clone();
        let router = Router::new().fallback(move |request: Request| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        api
    }

    pub(crate) fn tell(&self, path: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.tell_later(path, status, None, body);
    }

    pub(crate) fn tell_later(
        &self,
        path: &str,
        status: u16,
        retry_after: Option<u32>,
        body: impl Into<Vec<u8>>,
    ) {
        let headers = retry_after.map(|seconds| ("retry-after", seconds.to_string()));
        self.tell_with(path, status, headers.into_iter().collect(), body);
    }

    pub(crate) fn tell_with(
        &self,
        path: &str,
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: impl Into<Vec<u8>>,
    ) {
        let told = Told { path: path.to_owned(), status, headers, body: body.into() };
        self.told.lock().unwrap().push_back(told);
    }

    /// The calls whose path contains `path`.
    pub(crate) fn calls(&self, path: &str) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.path.contains(path)).cloned().collect()
    }

    async fn answer(&self, request: Request) -> Response<Body> {
        let path = request.uri().path_and_query().unwrap().as_str().to_owned();
        let names = ["authorization", "x-line-retry-key", "idempotency-key"];
        let [authorization, line, other] =
            names.map(|name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned()));
        let retry_key = line.or(other);
        let body = to_bytes(request.into_body(), 64 * 1024 * 1024).await.unwrap();
        self.calls.lock().unwrap().push(Call { path: path.clone(), authorization, retry_key, body });
        let told = {
            let mut told = self.told.lock().unwrap();
            let at = told.iter().position(|told| path.contains(&told.path));
            at.and_then(|at| told.remove(at))
        };
        let count = self.calls.lock().unwrap().len();
        match told {
            Some(told) => {
                let mut response = Response::builder().status(told.status);
                for (name, value) in told.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(told.body)).unwrap()
            }
            // What each of the providers says when a message was taken over.
            None => Response::new(Body::from(
                json!({
                    "ok": true, "status": 0, "message_token": 4_912_661_846_655_238_148_u64, "message_id": format!("m_out{count}"), "id": format!("id{count}"),
                    "messages": [{"id": format!("wamid.OUT{count}")}],
                    "result": {"message_id": count, "file_path": "photos/file_1.jpg", "url": ""},
                    "jwks_uri": format!("{}/v1/.well-known/keys", self.base), "keys": [super::jwk("kid-1", "")],
                    "access_token": format!("granted{count}"), "expires_in": 3600,
                    "data": {"id": format!("id{count}"), "dm_event_id": format!("dm{count}")},
                    "accessJwt": format!("access{count}"), "refreshJwt": format!("refresh{count}"), "did": "did:plc:me",
                    "message_uuid": format!("uuid{count}"),
                    "ts": format!("1795291300.{count:06}"),
                })
                .to_string(),
            )),
        }
    }
}
