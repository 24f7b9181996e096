//! What an answer says, read the way its provider would read it; anything that is not well-formed fails the test.

use super::phone::Phone;
use serde_json::Value;
use std::collections::BTreeMap;

/// An element or verb of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verb {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) text: String,
    /// How deep it lies; the outermost has 0.
    pub(super) depth: usize,
}

/// The elements of an XML document below its root, in the order in which they begin (XML 1.0, without doctypes and
/// comments, which no answer has).
pub(super) fn xml(document: &str, root: &str) -> Vec<Verb> {
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let mut rest = document.strip_prefix(declaration).unwrap_or_else(|| panic!("no declaration: {document}"));
    let mut verbs: Vec<Verb> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let at = rest.find('<').unwrap_or(rest.len());
        let (text, tail) = rest.split_at(at);
        match open.last() {
            Some(inner) => verbs[*inner].text.push_str(&unescaped(text)),
            None => assert!(text.trim().is_empty(), "text outside of the root: {text}"),
        }
        let Some(tail) = tail.strip_prefix('<') else { break };
        let (tag, after) = tail.split_once('>').unwrap_or_else(|| panic!("a tag without end: {tail}"));
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let inner = open.pop().unwrap_or_else(|| panic!("nothing to close: {tag}"));
            assert_eq!(verbs[inner].name, name, "closed in another order");
            continue;
        }
        assert!(!open.is_empty() || verbs.is_empty(), "a second root: {tag}");
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag.trim_end(), true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(!name.is_empty() && name.chars().all(char::is_alphanumeric), "no name: {tag}");
        let attributes = attributes_of(attributes);
        verbs.push(Verb { name: name.to_owned(), attributes, text: String::new(), depth: open.len() });
        if !empty {
            open.push(verbs.len() - 1);
        }
    }
    assert!(open.is_empty() && verbs.first().is_some_and(|first| first.name == root), "{document}");
    verbs.remove(0);
    verbs
}

fn attributes_of(mut text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap_or_else(|| panic!("no attribute: {text}"));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(name.chars().all(plain), "no attribute's name: {name}");
        let (value, rest) = rest.split_once('"').unwrap_or_else(|| panic!("a value without end: {rest}"));
        assert!(!value.contains('<'), "{value}");
        assert!(all.insert(name.to_owned(), unescaped(value)).is_none(), "{name} stands twice");
        text = rest.strip_prefix(' ').unwrap_or(rest);
    }
    all
}

/// The commands of orders; a gather that speaks first is both.
fn orders(whole: &str) -> Vec<Verb> {
    let plan: Value = serde_json::from_str(whole).unwrap_or_else(|error| panic!("{error}: {whole}"));
    let mut verbs = Vec::new();
    for verb in json(&plan["steps"].to_string(), "command") {
        if let Some(how) = verb.name.strip_prefix("gather_using_") {
            let inner = |name: &str, text: &str| Verb {
                name: name.to_owned(),
                attributes: BTreeMap::new(),
                text: text.to_owned(),
                depth: verb.depth + 1,
            };
            let first = if how == "speak" { "speak" } else { "playback_start" };
            verbs.extend([inner(first, &verb.text), inner("gather", "")]);
        }
        verbs.push(verb);
    }
    verbs
}

fn leaves(value: &Value, path: &str, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, &format!("{path}{dot}{key}"), into);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| leaves(one, path, into)),
        Value::String(text) => {
            let before = into.get(path).map(|before| format!("{before},")).unwrap_or_default();
            into.insert(path.to_owned(), before + text);
        }
        other => drop(into.insert(path.to_owned(), other.to_string())),
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = after.split_once(';').unwrap_or_else(|| panic!("a bare &: {text}"));
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => panic!("an unknown reference: {other}"),
        });
        rest = after;
    }
    out.push_str(rest);
    out.chars().for_each(|c| assert!(!c.is_control(), "a control character: {text:?}"));
    out
}

/// The verbs of a JSON document: objects in a list, each named by its field `named`. Attributes are the texts in them, by
/// their path, without the places in lists; what is said or played in one is a verb of its own.
pub(super) fn json(document: &str, named: &str) -> Vec<Verb> {
    let all: Vec<Value> =
        serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {document}"));
    let mut verbs = Vec::new();
    for object in &all {
        let name = object[named].as_str().unwrap_or_else(|| panic!("a verb without {named}: {object}"));
        verb(name, object, named, 1, &mut verbs);
    }
    verbs
}

fn verb(name: &str, object: &Value, named: &str, depth: usize, verbs: &mut Vec<Verb>) {
    let mut attributes = BTreeMap::new();
    let mut inner = Vec::new();
    for (key, value) in object.as_object().unwrap_or_else(|| panic!("no object: {object}")) {
        if key == "say" || key == "play" {
            verb(key, value, named, depth + 1, &mut inner);
        } else if key != named {
            leaves(value, key, &mut attributes);
        }
    }
    let text = ["text", "payload"].iter().find_map(|key| object[*key].as_str()).unwrap_or_default();
    verbs.push(Verb { name: name.to_owned(), attributes, text: text.to_owned(), depth });
    verbs.append(&mut inner);
}

/// An answer, understood.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) verbs: Vec<Verb>,
    pub(super) whole: String,
}

impl Reading {
    /// Reads an answer and makes sure that it has nothing that the provider does not know.
    pub(super) fn of(phone: &Phone, whole: &str) -> Self {
        let mut verbs = match phone.text("documents") {
            "xml" => xml(whole, phone.value["root"].as_str().unwrap_or("Response")),
            "json" => json(whole, phone.text("verb")),
            "orders" => orders(whole),
            other => panic!("nobody reads {other}"),
        };
        for verb in &verbs {
            let known = &phone.value["vocabulary"][&verb.name];
            let known =
                known.as_array().unwrap_or_else(|| panic!("{} knows no {}", phone.provider, verb.name));
            for name in verb.attributes.keys() {
                assert!(
                    known.iter().any(|one| one == name),
                    "{}: {} has no {name}",
                    phone.provider,
                    verb.name
                );
            }
        }
        if let Some(attribute) = phone.value["said_in"].as_str() {
            let saying = verbs.iter_mut().filter(|verb| verb.name == phone.text("says"));
            saying.for_each(|verb| verb.text.clone_from(&verb.attributes[attribute]));
        }
        if let Some(mark) = phone.value["records_by"].as_str() {
            // One verb does both: this mark tells them apart.
            let recording = verbs.iter_mut().filter(|verb| verb.attributes.contains_key(mark));
            recording.for_each(|verb| phone.text("records").clone_into(&mut verb.name));
        }
        if let Some(waits) = phone.value["waits"].as_array()
            && !verbs.iter().any(|verb| waits.iter().any(|one| *one == verb.name))
        {
            // A call that nothing keeps is over.
            let end = phone.text("hangs_up").to_owned();
            verbs.push(Verb { name: end, attributes: BTreeMap::new(), text: String::new(), depth: 0 });
        }
        Self { verbs, whole: whole.to_owned() }
    }

    /// Everything that is said.
    pub(super) fn said(&self, phone: &Phone) -> Vec<&str> {
        let says = phone.text("says");
        self.verbs.iter().filter(|verb| verb.name == says).map(|verb| verb.text.as_str()).collect()
    }

    pub(super) fn does(&self, phone: &Phone, what: &str) -> bool {
        let (name, attribute) = phone.text(what).split_once('[').unwrap_or((phone.text(what), ""));
        let has = |verb: &Verb| {
            attribute.is_empty() || verb.attributes.contains_key(attribute.trim_end_matches(']'))
        };
        self.verbs.iter().any(|verb| verb.name == name && has(verb))
    }

    /// The path below the inbox's own of the first address whose end fits.
    pub(super) fn address(&self, place: &str) -> String {
        let own = format!("{}/hooks/page/", super::rig::PUBLIC);
        let values = self.verbs.iter().flat_map(|verb| verb.attributes.values().chain([&verb.text]));
        let mut ours = values.filter_map(|value| value.trim().strip_prefix(&own).map(ToOwned::to_owned));
        let fits = |below: &String| match place {
            "turn" => below.starts_with("turn/") && !below.ends_with("/none"),
            "none" => below.ends_with("/none"),
            other => below.starts_with(other),
        };
        ours.find(fits).unwrap_or_else(|| panic!("no address for {place}: {}", self.whole))
    }
}

#[test]
fn what_is_not_well_formed_is_noticed() {
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let good = format!("{declaration}<Response><Say a=\"1\">x &amp; y</Say><Hangup /></Response>");
    let verbs = xml(&good, "Response");
    assert_eq!((verbs.len(), verbs[0].text.as_str(), verbs[0].depth), (2, "x & y", 1));
    for bad in
        ["<Response><Say></Response>", "<Response>a & b</Response>", "<Response></Response><Response />"]
    {
        let document = format!("{declaration}{bad}");
        assert!(std::panic::catch_unwind(|| xml(&document, "Response")).is_err(), "{bad}");
    }
    let verbs =
        json(r#"[{"verb": "gather", "input": ["digits", "speech"], "say": {"text": "Hello"}}]"#, "verb");
    let said = (verbs[0].name.as_str(), verbs[1].name.as_str(), verbs[1].text.as_str());
    assert_eq!(said, ("gather", "say", "Hello"));
    assert_eq!(verbs[0].attributes["input"], "digits,speech");
}
