//! Draws a dialogue as SVG 1.1: a row for each distance from the start, an arrow for each way on.

use super::settings::Dialogue;
use std::collections::BTreeMap;

const WIDTH: usize = 220;
const HEIGHT: usize = 90;
const BOX: (usize, usize) = (180, 44);

/// The drawing.
#[must_use]
pub fn draw(dialogue: &Dialogue) -> String {
    let rows = rows(dialogue);
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (y, row) in rows.iter().enumerate() {
        for (x, name) in row.iter().enumerate() {
            places.insert(name, (20 + x * WIDTH, 20 + y * HEIGHT));
        }
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or(1);
    let (width, height) = (columns * WIDTH + 40, rows.len() * HEIGHT + 20);
    let mut lines = String::new();
    let mut boxes = String::new();
    for (name, step) in &dialogue.step {
        let Some((x, y)) = places.get(name.as_str()) else { continue };
        for (label, to) in step.ways() {
            let Some((tx, ty)) = places.get(to) else { continue };
            let (from_x, from_y) = (x + BOX.0 / 2, if ty > y { y + BOX.1 } else { *y });
            let (to_x, to_y) = (tx + BOX.0 / 2, if ty > y { *ty } else { ty + BOX.1 });
            let (mid_x, mid_y) = ((from_x + to_x) / 2 + 4, (from_y + to_y) / 2);
            let label = escaped(&label);
            lines.push_str(&format!(
                r##"<line x1="{from_x}" y1="{from_y}" x2="{to_x}" y2="{to_y}" stroke="#555" marker-end="url(#a)"/><text x="{mid_x}" y="{mid_y}" font-size="11" fill="#555">{label}</text>"##
            ));
        }
        let (text_x, name_y, kind_y) = (x + 10, y + 19, y + 35);
        let (w, h) = BOX;
        let (name, kind) = (escaped(name), step.kind());
        boxes.push_str(&format!(
                r##"<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" fill="#f4f6fa" stroke="#234"/><text x="{text_x}" y="{name_y}" font-size="14">{name}</text><text x="{text_x}" y="{kind_y}" font-size="11" fill="#555">{kind}</text>"##
            ));
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img"><title>Dialogue</title><defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs><rect width="100%" height="100%" fill="#fff"/>{lines}{boxes}</svg>
"##
    )
}

/// The steps by their distance from the start; what nobody comes to stands last.
fn rows(dialogue: &Dialogue) -> Vec<Vec<&str>> {
    let mut rows: Vec<Vec<&str>> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let first = dialogue.step.get_key_value(&dialogue.start);
    let mut row: Vec<&str> = first.map(|(name, _)| name.as_str()).into_iter().collect();
    while !row.is_empty() {
        seen.extend(&row);
        let mut next: Vec<&str> = Vec::new();
        for step in row.iter().filter_map(|name| dialogue.step.get(*name)) {
            for (_, to) in step.ways() {
                let Some((to, _)) = dialogue.step.get_key_value(to) else { continue };
                if !seen.contains(&to.as_str()) && !next.contains(&to.as_str()) {
                    next.push(to);
                }
            }
        }
        rows.push(std::mem::replace(&mut row, next));
    }
    let rest: Vec<&str> =
        dialogue.step.keys().map(String::as_str).filter(|name| !seen.contains(name)).collect();
    if !rest.is_empty() {
        rows.push(rest);
    }
    rows
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
