//! What articles answered: numbers by day, inbox and article, for a core that counts what never became a ticket.

use super::problem::Problem;
use super::state::Shared;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use lodge_domain::ports::AnsweredCount;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The first day, `2026-11-26`; everything that is kept, if left out.
    #[serde(default)]
    since: String,
}

#[derive(Serialize)]
pub(super) struct AnsweredDocument {
    answered: Vec<AnsweredLine>,
}

#[derive(Serialize)]
struct AnsweredLine {
    day: String,
    inbox: String,
    article: String,
    count: u64,
}

pub(super) async fn counts(
    State(shared): State<Arc<Shared>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<AnsweredDocument>, Problem> {
    let Query(asked) = asked.map_err(|_| Problem::invalid("the one parameter is since"))?;
    if !asked.since.is_empty() && asked.since.parse::<jiff::civil::Date>().is_err() {
        return Err(Problem::invalid("since is a day such as 2026-11-26"));
    }
    let counts = shared.given.commands.answered(&asked.since).await?;
    let line = |AnsweredCount { day, inbox, article, count }| AnsweredLine {
        day,
        inbox: inbox.to_string(),
        article,
        count,
    };
    Ok(Json(AnsweredDocument { answered: counts.into_iter().map(line).collect() }))
}
