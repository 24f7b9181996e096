//! `/readyz`: whether contacts can be accepted now, and what else is wrong, since when and why.

use crate::compose::House;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

pub(super) async fn page(State(house): State<Arc<House>>) -> Response {
    let reasons = house.not_ready().await;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let inboxes: Vec<_> = house
        .health()
        .into_iter()
        .map(|report| {
            let (since, why) = report.failing.map_or((None, None), |(since, why)| (Some(since), Some(why)));
            json!({
                "inbox": report.inbox, "door": report.address.to_string(), "part": report.part, "healthy": why.is_none(),
                "failing_since": since, "reason": why, "last_success": report.last_success,
            })
        })
        .collect();
    let lanes: Vec<_> = house
        .lanes()
        .into_iter()
        .map(|lane| json!({"lane": lane.lane, "parked_since": lane.since, "reason": lane.why}))
        .collect();
    let body =
        json!({"ready": reasons.is_empty(), "reasons": reasons, "inboxes": inboxes, "parked_lanes": lanes});
    (status, Json(body)).into_response()
}
