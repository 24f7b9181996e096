//! The operator's overview: can it accept, how each inbox fares, what waits where.

use super::{escape, html};
use crate::compose::House;
use axum::extract::State;
use axum::response::Response;
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) async fn page(State(house): State<Arc<House>>) -> Response {
    let mut body = String::from(
        "<h1>Lodge</h1><nav><a href=\"/readyz\">readiness</a><a href=\"/metrics\">metrics</a><a href=\"/docs\">calls of the core</a></nav>",
    );
    let written = write_all(&mut body, &house).await;
    if written.is_err() {
        body.push_str("<p class=\"bad\">this page could not be written</p>");
    }
    html("Lodge", &body)
}

async fn write_all(out: &mut String, house: &House) -> std::fmt::Result {
    let reasons = house.not_ready().await;
    if reasons.is_empty() {
        writeln!(out, "<p class=\"good\">accepting contacts</p>")?;
    }
    for reason in reasons {
        writeln!(out, "<p class=\"bad\">not accepting: {}</p>", escape(&reason))?;
    }
    inboxes(out, house)?;
    match house.store().counts().await {
        Ok(counts) => {
            writeln!(out, "<h2>Store</h2><div class=\"wide\"><table>")?;
            let rows = [
                ("contacts", counts.envelopes),
                ("conversations", counts.conversations),
                ("events in the feed", counts.events),
                ("dead letters", counts.dead_letters),
            ];
            for (what, number) in rows {
                writeln!(out, "<tr><th>{what}</th><td class=\"number\">{number}</td></tr>")?;
            }
            writeln!(out, "</table></div>")?;
            lanes(out, house, &counts.lanes)?;
        }
        Err(error) => writeln!(out, "<h2>Store</h2><p class=\"bad\">{}</p>", escape(&error.to_string()))?,
    }
    Ok(())
}

fn inboxes(out: &mut String, house: &House) -> std::fmt::Result {
    writeln!(
        out,
        "<h2>Inboxes</h2><div class=\"wide\"><table><tr><th>inbox</th><th>part</th><th>state</th><th>last worked</th></tr>"
    )?;
    for report in house.health() {
        let state = match &report.failing {
            None if report.last_success.is_none() => "<span class=\"soft\">not tried yet</span>".to_owned(),
            None => "<span class=\"good\">works</span>".to_owned(),
            Some((since, why)) => format!("<span class=\"bad\">fails since {since}: {}</span>", escape(why)),
        };
        let last = report.last_success.map(|at| at.to_string()).unwrap_or_default();
        let (inbox, address) = (escape(report.inbox.as_str()), escape(&report.address.to_string()));
        writeln!(
            out,
            "<tr><td>{inbox} <span class=\"soft\">{address}</span></td><td>{}</td><td>{state}</td><td>{last}</td></tr>",
            report.part
        )?;
    }
    if house.health().is_empty() {
        writeln!(out, "<tr><td class=\"soft\" colspan=\"4\">no inbox fetches by itself</td></tr>")?;
    }
    writeln!(out, "</table></div>")
}

fn lanes(out: &mut String, house: &House, depths: &[lodge_domain::ports::LaneDepth]) -> std::fmt::Result {
    writeln!(
        out,
        "<h2>Waiting</h2><div class=\"wide\"><table><tr><th>lane</th><th>items</th><th>oldest</th><th>parked</th></tr>"
    )?;
    let parked = house.lanes();
    for lane in depths {
        let why = parked.iter().find(|p| p.lane == lane.lane).and_then(|p| p.why.clone()).unwrap_or_default();
        let oldest = lane.oldest.map(|at| at.to_string()).unwrap_or_default();
        let (name, why) = (escape(&lane.lane), escape(&why));
        writeln!(
            out,
            "<tr><td>{name}</td><td class=\"number\">{}</td><td>{oldest}</td><td class=\"bad\">{why}</td></tr>",
            lane.depth
        )?;
    }
    if depths.is_empty() {
        writeln!(out, "<tr><td class=\"soft\" colspan=\"4\">nothing waits</td></tr>")?;
    }
    writeln!(out, "</table></div>")
}
