//! Rules that no single crate can watch: the sources and settings of the whole house are read as text.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders of all members: those under `crates`, and the end-to-end tests.
fn members() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = crates.filter(|path| path.join("Cargo.toml").exists()).collect();
    all.push(root().join("tests"));
    all.sort();
    assert!(all.len() >= 14, "{all:?}");
    all
}

/// Every Rust file below `folder`.
fn sources(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path);
            into.push((path, text));
        }
    }
}

/// The part of a file that is shipped, without comments, line by line.
fn shipped(text: &str) -> Vec<&str> {
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    before_tests.lines().map(|line| line.split("//").next().unwrap_or_default()).collect()
}

/// Whether a piece of code is a secret's value by its name: one of its words says so, and it does not only ask for a
/// length.
fn is_secret(operand: &str) -> bool {
    const WORDS: [&str; 13] = [
        "mac",
        "macs",
        "hmac",
        "secret",
        "secrets",
        "password",
        "passphrase",
        "token",
        "tokens",
        "bearer",
        "fingerprint",
        "signature",
        "credential",
    ];
    let asks = [".len()", ".is_empty()", ".is_some()", ".is_none()", ".count()"];
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_lowercase).collect()
    };
    !asks.iter().any(|ask| operand.contains(ask))
        && words(operand).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a line compares the value of a secret in a way that takes longer the more of it is right.
fn compares_a_secret(line: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "_.&*()[]:?".contains(c);
    for operator in ["==", "!="] {
        for (at, _) in line.match_indices(operator) {
            let (before, after) = (line.get(..at).unwrap(), line.get(at + 2..).unwrap());
            let before = before.trim_end();
            let left = before.rsplit(|c| !part(c)).next().unwrap_or_default();
            let right = after.trim_start().split(|c| !part(c)).next().unwrap_or_default();
            // A constant of the format, such as a magic number, is no secret: SCREAMING names.
            let constant = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_ascii_lowercase());
            if !constant(left) && !constant(right) && (is_secret(left) || is_secret(right)) {
                return true;
            }
        }
    }
    let calls = [".eq(", ".ne(", ".starts_with(", ".ends_with(", ".contains(", ".cmp("];
    calls.iter().any(|call| {
        line.match_indices(call).any(|(at, _)| {
            let argument = line.get(at + call.len()..).unwrap().split(')').next().unwrap_or_default();
            !argument.starts_with(['"', '\'', '|', '[']) && is_secret(argument)
        })
    })
}

#[test]
fn the_check_of_t15_sees_what_it_should() {
    for bad in [
        "if mac == expected {",
        "if given.as_ref() != self.mac.as_ref() {",
        "tokens.iter().any(|one| one == &token)",
        "if password == secret.expose_secret() {",
        "return expected.eq(&signature);",
        "known.starts_with(&bearer)",
        "self.tokens.contains(&given_token)",
    ] {
        assert!(compares_a_secret(bad), "{bad}");
    }
    for good in [
        "if mac.len() != 16 {",
        "if secrets.is_empty() || other == 3 {",
        "let machine = 3 == number;",
        "if reader.number(4)? != SIGNATURE {",
        "bool::from(mac.ct_eq(given))",
        "if suffix.contains(\"{token}\") {",
    ] {
        assert!(!compares_a_secret(good), "{good}");
    }
}

/// The token of a work claim or of a lease is drawn by us, stored beside the work and known to no stranger; the same word
/// is used for pieces of text that a parser cuts.
const NO_SECRETS: [(&str, &str); 4] = [
    ("lodge-testkit/src/model_store", "token"),
    ("lodge-store-embedded/src", "token"),
    ("lodge-store-redis/src", "token"),
    ("lodge-channel-email/src/understand", "signature"),
];

#[test]
fn t15_secrets_are_compared_in_constant_time_only() {
    let mut found = Vec::new();
    for member in members() {
        let mut files = Vec::new();
        sources(&member.join("src"), &mut files);
        for (path, text) in files {
            let shown = path.display().to_string();
            for (number, line) in shipped(&text).into_iter().enumerate() {
                let excused =
                    NO_SECRETS.iter().any(|(place, word)| shown.contains(place) && line.contains(word));
                if compares_a_secret(line) && !excused {
                    found.push(format!("{shown}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "compare with subtle::ConstantTimeEq:\n{}", found.join("\n"));
}

/// A type that holds a secret cannot be compared with `==` by accident if it has none.
#[test]
fn t15_types_that_hold_secrets_have_no_equality() {
    let mut holders = 0;
    for member in members() {
        let mut files = Vec::new();
        sources(&member.join("src"), &mut files);
        for (path, text) in files {
            let lines = shipped(&text);
            for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.contains("struct ")) {
                let end = lines
                    .get(at..)
                    .unwrap()
                    .iter()
                    .position(|line| line.starts_with('}') || line.ends_with(';'));
                let body = lines.get(at..at + end.unwrap_or(0) + 1).unwrap().join("\n");
                if !["SecretString", "SecretBox", "hmac::Key"].iter().any(|secret| body.contains(secret)) {
                    continue;
                }
                holders += 1;
                let above = lines.get(..at).unwrap().iter().rev().take_while(|line| !line.trim().is_empty());
                let derives = above.copied().collect::<Vec<_>>().join("\n");
                assert!(!derives.contains("PartialEq"), "{}:{}: {derives}", path.display(), at + 1);
            }
        }
    }
    assert!(holders >= 3, "the check finds the types it is about: {holders}");
}

#[test]
fn t80_every_crate_forbids_unsafe_code_and_panics_by_the_workspaces_lints() {
    let workspace = read(&root().join("Cargo.toml"));
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    for lint in ["unwrap_used", "expect_used", "string_slice", "todo", "unimplemented", "allow_attributes"] {
        assert!(workspace.contains(&format!("\n{lint} = \"")), "{lint}");
        assert!(!workspace.contains(&format!("\n{lint} = \"allow\"")), "{lint}");
    }
    for member in members() {
        let manifest = read(&member.join("Cargo.toml"));
        let lints = manifest.split("\n[lints]\n").nth(1).unwrap_or_default();
        assert!(lints.starts_with("workspace = true"), "{}", member.display());
        for folder in ["src", "tests", "examples", "benches", "e2e"] {
            let mut files = Vec::new();
            sources(&member.join(folder), &mut files);
            for (path, text) in files {
                // Put together here, so that this file is no finding of its own.
                for word in [["unsafe", " {"], ["unsafe", " fn"], ["unsafe", " impl"], ["(unsafe", "_code"]] {
                    assert!(!text.contains(&word.concat()), "{}", path.display());
                }
            }
        }
        assert!(!member.join("build.rs").exists(), "{}: nothing runs while it is built", member.display());
    }
}

/// The names of all settings, and all words they may be set to.
fn settings(node: &Value, into: &mut BTreeSet<String>) {
    match node {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                into.extend(properties.keys().cloned());
            }
            for key in ["enum", "const"] {
                let words = members.get(key).into_iter().flat_map(|value| match value {
                    Value::Array(all) => all.clone(),
                    one => vec![one.clone()],
                });
                into.extend(words.filter_map(|word| word.as_str().map(str::to_owned)));
            }
            members.values().for_each(|value| settings(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| settings(item, into)),
        _ => {}
    }
}

/// Whether a setting of this name would turn a check off.
fn turns_off(name: &str) -> bool {
    const WORDS: [&str; 18] = [
        "verify",
        "verification",
        "verified",
        "unverify",
        "skip",
        "disable",
        "disabled",
        "bypass",
        "unsafe",
        "danger",
        "dangerous",
        "invalid",
        "ignore",
        "debug",
        "trust",
        "allow",
        "permissive",
        "unsigned",
    ];
    name.to_lowercase().split(['_', '-']).any(|word| WORDS.contains(&word))
}

#[test]
fn t84_no_setting_turns_a_verifier_off() {
    let schema: Value = serde_json::from_str(&read(&root().join("config/lodge.schema.json"))).unwrap();
    let mut names = BTreeSet::new();
    settings(&schema, &mut names);
    for known in ["secret", "tokens", "insecure", "authserv_ids", "implicit", "starttls"] {
        assert!(names.contains(known), "{known}: the check reads the settings it is about");
    }
    for wrong in ["verify", "skip_signature_check", "tls-verify", "allow_unsigned", "debug", "trust_all"] {
        assert!(turns_off(wrong), "{wrong}");
    }
    // Logs may be had at the level `debug`; that is all it does. A `verify_token` is a secret that a provider repeats.
    let harmless = ["debug", "verify_token"];
    let found = names.iter().filter(|name| turns_off(name) && !harmless.contains(&name.as_str()));
    let found: Vec<&String> = found.collect();
    assert!(found.is_empty(), "{found:?}");
}

/// What a library could be told in order to believe anything never stands in what is shipped.
#[test]
fn t84_no_code_asks_a_library_to_believe_anything() {
    for member in members() {
        let mut files = Vec::new();
        sources(&member.join("src"), &mut files);
        for (path, text) in files {
            for line in shipped(&text) {
                for word in [
                    ["danger_accept_", "invalid"],
                    ["tls_danger_", "accept"],
                    [".danger", "ous("],
                    ["insecure: ", "true"],
                    ["insecure_disable", "_"],
                    ["ServerCert", "Verifier for"],
                ] {
                    assert!(!line.contains(&word.concat()), "{}: {line}", path.display());
                }
            }
        }
    }
}
