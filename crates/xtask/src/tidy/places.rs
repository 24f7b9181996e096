//! Places: every top-level folder has its sign, every fixture folder its provenance and its answers.

use super::{Finding, tree::SourceFile};
use std::path::Path;

/// Every top-level folder without a README.
pub(super) fn rooms(root: &Path, files: &[SourceFile]) -> Vec<Finding> {
    let mut rooms: Vec<&str> =
        files.iter().filter_map(|file| file.path.split_once('/')).map(|(room, _)| room).collect();
    rooms.dedup();
    let bare = rooms.into_iter().filter(|room| !root.join(room).join("README.md").is_file());
    bare.map(|room| Finding(format!("{room}/ has no README.md that says what it is for"))).collect()
}

/// Every mail fixture without its expected event, every expected event without its mail, and every family of fixtures
/// that `fixtures/README.md` does not tell the origin of.
pub(super) fn fixtures(files: &[SourceFile]) -> Vec<Finding> {
    let has = |path: &str| files.iter().any(|file| file.path == path);
    let readme =
        files.iter().find(|file| file.path == "fixtures/README.md").map_or("", |file| file.text.as_str());
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("fixtures/")) {
        if let Some(stem) = file.path.strip_suffix(".eml")
            && has_answers(files, stem)
            && !has(&format!("{stem}.expected.json"))
        {
            findings.push(Finding(format!("{}: no {stem}.expected.json beside it", file.path)));
        }
        if let Some(stem) = file.path.strip_suffix(".expected.json")
            && ![".eml", ".json", ".form", ".multipart", ".sse"]
                .iter()
                .any(|end| has(&format!("{stem}{end}")))
        {
            findings.push(Finding(format!("{}: its input is gone", file.path)));
        }
        let family = file.path.split('/').nth(1).unwrap_or_default();
        let told = readme.contains(&format!("`{family}/"));
        if family != "README.md" && !told {
            findings.push(Finding(format!(
                "{}: fixtures/README.md does not say where `{family}/` comes from",
                file.path
            )));
        }
    }
    findings
}

/// Every file of a provider without a fixture folder under its name. A provider's name in the configuration may have a dash
/// where its file has none or an underscore; parts that several providers share begin with the name of what they share.
pub(super) fn providers(files: &[SourceFile]) -> Vec<Finding> {
    const SHARED: &[&str] = &["meta", "meta_messaging", "twilio_compat", "twiml"];
    let mut findings = Vec::new();
    for file in files {
        let Some((channel, name)) = file
            .path
            .strip_prefix("crates/lodge-channel-")
            .and_then(|rest| rest.strip_suffix(".rs"))
            .and_then(|rest| rest.split_once("/src/providers/"))
        else {
            continue;
        };
        let folder = format!("fixtures/{channel}/{}/", name.replace('_', "-"));
        let bare = !files.iter().any(|other| other.path.starts_with(&folder));
        if bare && !SHARED.contains(&name) && !name.contains('/') {
            findings.push(Finding(format!("{}: no fixtures in {folder}", file.path)));
        }
    }
    findings
}

/// Every link of a document to a place that is not there.
pub(super) fn links(root: &Path, files: &[SourceFile]) -> Vec<Finding> {
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    let links = documents.flat_map(|file| targets(&file.text).map(move |target| (file, target)));
    let broken = links.filter(|(file, target)| {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        !root.join(folder).join(target).exists()
    });
    broken
        .map(|(file, target)| Finding(format!("{}: links to {target}, which is not there", file.path)))
        .collect()
}

/// The relative targets of a document's links, without what follows `#`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let all = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let paths = all.filter(|target| !target.contains("://") && !target.contains(char::is_whitespace));
    paths.filter_map(|target| target.split('#').next()).filter(|target| !target.is_empty())
}

/// Whether the folder of `stem` keeps an answer per file; hostile corpora assert one property of them all instead, and
/// a folder says so by having no answer at all.
fn has_answers(files: &[SourceFile], stem: &str) -> bool {
    let folder = stem.rsplit_once('/').map_or("", |(folder, _)| folder);
    files
        .iter()
        .any(|file| file.path.starts_with(&format!("{folder}/")) && file.path.ends_with(".expected.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Vec<SourceFile> {
        let file = |path: &&str| SourceFile {
            path: (*path).to_owned(),
            text: if *path == "fixtures/README.md" {
                "| `email/` | made here |".to_owned()
            } else {
                String::new()
            },
        };
        paths.iter().map(file).collect()
    }

    #[test]
    fn links_to_nowhere_are_found() {
        let found: Vec<_> = targets("[a](b.md#c) [d](https://e) [f](#g) [h](../i/)").collect();
        assert_eq!(found, ["b.md", "../i/"]);
        let document = |text: &str| vec![SourceFile { path: "README.md".to_owned(), text: text.to_owned() }];
        assert_eq!(links(Path::new("/nowhere"), &document("[a](b.md)")).len(), 1);
        assert!(links(Path::new("/"), &document("[a](.)")).is_empty());
    }

    #[test]
    fn a_provider_without_fixtures_is_found() {
        let file = "crates/lodge-channel-social/src/providers/a_b.rs";
        assert_eq!(providers(&tree(&[file])).len(), 1);
        assert!(providers(&tree(&[file, "fixtures/social/a-b/x.json"])).is_empty());
    }

    #[test]
    fn a_mail_without_answer_and_an_answer_without_mail_are_found() {
        let good = ["fixtures/README.md", "fixtures/email/a/x.eml", "fixtures/email/a/x.expected.json"];
        assert!(fixtures(&tree(&good)).is_empty());
        let bad = [&good[..], &["fixtures/email/a/y.eml", "fixtures/email/a/z.expected.json"]].concat();
        assert_eq!(fixtures(&tree(&bad)).len(), 2);
        assert_eq!(fixtures(&tree(&["fixtures/README.md", "fixtures/voice/x.json"])).len(), 1);
    }
}
