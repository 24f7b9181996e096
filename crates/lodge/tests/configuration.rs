//! Configurations, good and bad, as an operator writes them.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use lodge::config::load_text;
use std::path::Path;

fn problems(text: &str) -> Vec<(usize, String, String)> {
    match load_text(Path::new("lodge.toml"), text).check() {
        Ok(_) => Vec::new(),
        Err(problems) => {
            assert!(problems.0.iter().all(|p| !p.reason.is_empty() && !p.remedy.is_empty()), "{problems}");
            problems.0.into_iter().map(|p| (p.line, p.key, p.reason)).collect()
        }
    }
}

const MAILBOX: &str = r#"
[inbox.support.email]
provider = "imap"
from = "Acme <support@acme.example>"
[inbox.support.email.imap]
host = "127.0.0.1"
port = 143
tls = "none"
username = "support"
password = "file:password"
"#;

fn with_mailbox(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "geheim\n").unwrap();
    (folder, format!("{text}{MAILBOX}"))
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    let text = r#"[server]
listen = "127.0.0.1:8080"
internal = "0.0.0.0:8081"
public_ur = "x"
proxies = ["abc"]

[store]
url = "mysql://x"

[core]
url = "http://desk.example.com"
secret = "hunter2"

[queue.a]
[queue.b]
fallbak = true

[[rules]]
name = "x"
when = { subject = "(", nonsense = "a" }
set = { queue = "nowhere" }

[inbox.support.email]
provider = "imap"
from = "a@b"
[inbox.support.email.imap]
host = "h"
prot = 993
port = "993"
username = "u"
password = "env:LODGE_TEST_NOT_SET"

[inbox.two]
[wrong]
"#;
    let found = problems(text);
    let lines: Vec<(usize, &str)> = found.iter().map(|(line, key, _)| (*line, key.as_str())).collect();
    for expected in [
        (1, "server.operator_token"),
        (4, "server.public_ur"),
        (5, "server.proxies"),
        (8, "store.url"),
        (11, "core.url"),
        (12, "core.secret"),
        (16, "queue.b.fallbak"),
        (20, "rules[0].when.nonsense"),
        (28, "inbox.support.email.imap.prot"),
        (29, "inbox.support.email.imap.port"),
        (31, "inbox.support.email.imap.password"),
        (33, "inbox.two"),
        (34, "wrong"),
    ] {
        assert!(lines.contains(&expected), "{expected:?} is missing in {found:#?}");
    }
    assert!(found.iter().any(|(_, _, reason)| reason.contains("no queue \"nowhere\"")), "{found:#?}");
    assert!(found.iter().any(|(_, _, reason)| reason.contains("unclosed group")), "{found:#?}");
    assert!(!format!("{found:?}").contains("hunter2"), "t58: a secret in clear is not repeated");
}

#[test]
fn syntax_errors_hide_no_other_problem() {
    let found = problems("[server]\nlisten = \n[store]\nurl = \"what:\"\n");
    assert!(
        found.iter().any(|(line, _, reason)| *line == 2 && reason.contains("not valid TOML")),
        "{found:?}"
    );
    assert!(found.iter().any(|(line, key, _)| *line == 4 && key == "store.url"), "{found:?}");
}

#[test]
fn a_mailbox_alone_is_enough() {
    let (folder, text) = with_mailbox("");
    let checked =
        load_text(&folder.path().join("lodge.toml"), &text).check().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(checked.inboxes.len(), 1);
    assert!(checked.core.url.is_none());
}

#[test]
fn t56_internal_pages_off_loopback_want_a_token() {
    let (folder, text) =
        with_mailbox("[server]\ninternal = \"0.0.0.0:0\"\noperator_token = \"file:password\"\n");
    let checked = load_text(&folder.path().join("lodge.toml"), &text).check();
    assert!(checked.is_ok(), "{}", checked.err().unwrap());
    let without = text.replace("operator_token = \"file:password\"\n", "");
    let refused = load_text(&folder.path().join("lodge.toml"), &without).check().err().unwrap();
    assert_eq!(refused.0.len(), 1, "{refused}");
    assert_eq!(refused.0[0].key, "server.operator_token");
}

#[test]
fn included_rules_are_read_and_their_problems_named_by_file() {
    let (folder, text) = with_mailbox("include = [\"rules/*.toml\"]\n[queue.general]\nfallback = true\n");
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rule = "[[rules]]\nname = \"a\"\nset = { queue = \"general\" }\n";
    std::fs::write(folder.path().join("rules/10.toml"), rule).unwrap();
    let path = folder.path().join("lodge.toml");
    assert!(load_text(&path, &text).check().is_ok());
    std::fs::write(
        folder.path().join("rules/20.toml"),
        "\n[[rules]]\nname = \"b\"\nset = { queue = \"x\" }\n",
    )
    .unwrap();
    let refused = load_text(&path, &text).check().err().unwrap();
    assert_eq!(refused.0.len(), 1, "{refused}");
    assert!(refused.0[0].file.ends_with("rules/20.toml") && refused.0[0].line == 2, "{refused}");
}

#[test]
fn the_shipped_examples_want_nothing_but_their_secrets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    for name in ["lodge.example.toml", "lodge.minimal.toml"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let refused =
            load_text(&folder.join(name), &text).check().err().expect("the secrets are not set here");
        for problem in &refused.0 {
            assert!(problem.reason.contains("environment variable"), "{name}: {problem}");
        }
    }
}

#[test]
fn the_reference_names_every_key_of_the_example() {
    let reference = lodge::config::reference();
    for key in
        ["`listen`", "`operator_token`", "`authserv_ids`", "`poll`", "`reopen`", "[inbox.NAME.email.imap]"]
    {
        assert!(reference.contains(key), "{key}");
    }
}

#[test]
fn e07_the_shipped_templates_work_and_broken_ones_are_told() {
    let (folder, text) = with_mailbox("[acknowledgment]\ntemplates = \"texts\"\n");
    let path = folder.path().join("lodge.toml");
    let refused = load_text(&path, &text).check().err().unwrap();
    assert!(refused.0[0].reason.contains("cannot be read"), "{refused}");
    let texts = folder.path().join("texts");
    std::fs::create_dir(&texts).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/templates/acknowledgment");
    for language in ["en.txt", "de.txt"] {
        std::fs::copy(shipped.join(language), texts.join(language)).unwrap();
    }
    assert!(load_text(&path, &text).check().is_ok());
    std::fs::write(texts.join("fr.txt"), "Re: {{ subjet }}\n\nBonjour\n").unwrap();
    let refused = load_text(&path, &text).check().err().unwrap();
    assert_eq!(refused.0.len(), 1, "{refused}");
    assert!(refused.0[0].reason.contains("fr.txt") && refused.0[0].line == 2, "{refused}");
}

/// A social inbox of these keys, beside a mailbox, and the keys and reasons of what is wrong with it.
fn social(server: &str, table: &str) -> Vec<(String, String)> {
    of_inbox(server, &format!("social{table}"))
}

/// An inbox of this channel and table, beside a mailbox, and the keys and reasons of what is wrong with it.
fn of_inbox(server: &str, table: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("password", "geheim"), ("plain", "hello world!"), ("fine", "fine")] {
        std::fs::write(folder.path().join(name), value).unwrap();
    }
    let text = format!("[server]\n{server}\n[queue.general]\nfallback = true\n{MAILBOX}\n[inbox.bot.{table}");
    let Err(problems) = load_text(&folder.path().join("lodge.toml"), &text).check() else {
        return Vec::new();
    };
    let of_it = problems.0.into_iter().filter(|problem| problem.key.starts_with("inbox.bot"));
    of_it.map(|problem| (problem.key, problem.reason)).collect()
}

#[test]
fn what_a_social_inbox_lacks_is_told_once_and_before_it_runs() {
    let told = |server: &str, table: &str, expected: &[(&str, &str)]| {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(key, reason)| ((*key).to_owned(), (*reason).to_owned())).collect();
        assert_eq!(social(server, table), expected, "{table}");
    };
    let telegram = ".telegram]\nbot_token = \"file:fine\"\n";
    told("", &format!("{telegram}secret_token = \"file:fine\""), &[]);
    // The table that lacks a key is no missing table.
    told("", telegram, &[("inbox.bot.social.telegram", "`secret_token` is missing")]);
    told("", ".signal]", &[("inbox.bot.social.signal", "unknown key `signal`")]);
    let none = [("inbox.bot.social", "a social inbox has one provider, this one has 0")];
    told("", "]", &none);
    let refused = [("inbox.bot.social.telegram.secret_token", "Telegram would refuse this token")];
    told("", &format!("{telegram}secret_token = \"file:plain\""), &refused);
    let no_key = [("inbox.bot.social.discord.public_key", "this is no key")];
    told("", ".discord]\nbot_token = \"file:fine\"\npublic_key = \"abc\"", &no_key);
    let no_secret =
        [("inbox.bot.social.webhook.secret", "a signing secret is `whsec_` and base64 of 24 to 64 bytes")];
    told("", ".webhook]\nsecret = \"file:fine\"", &no_secret);
    let plivo = ".plivo-messaging]\nauth_id = \"MA1\"\nauth_token = \"file:fine\"\nfrom = \"+14155550100\"";
    let nowhere = [(
        "inbox.bot.social.plivo-messaging",
        "its signatures are over the public address, which is not set",
    )];
    told("", plivo, &nowhere);
    told("public_url = \"https://help.example.com\"", plivo, &[]);
}

#[test]
fn what_a_voice_inbox_lacks_is_told_once_and_in_words() {
    let told = |table: &str, expected: &[(&str, &str)]| {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(key, reason)| ((*key).to_owned(), (*reason).to_owned())).collect();
        assert_eq!(of_inbox("public_url = \"https://help.example.com\"", table), expected, "{table}");
    };
    let token = "auth_token = \"file:fine\"";
    told(&format!("voice.twilio]\n{token}"), &[]);
    told("voice.twilio]", &[("inbox.bot.voice.twilio", "`auth_token` is missing")]);
    let misspelt = [
        ("inbox.bot.voice.twilio", "`auth_token` is missing"),
        ("inbox.bot.voice.twilio.auth_tokn", "unknown key `auth_tokn`"),
    ];
    told("voice.twilio]\nauth_tokn = \"file:fine\"", &misspelt);
    let unknown = [("inbox.bot.voice", "`twillio` is not one of the possible values")];
    told(&format!("voice.twillio]\n{token}"), &unknown);
    told("voice]", &[("inbox.bot.voice", "one table is wanted here, and there is none")]);
    let two = [
        ("inbox.bot.voice", "one table is wanted here, and there are more"),
        ("inbox.bot.voice.vonage", "`application_id` is missing"),
    ];
    told(&format!("voice.twilio]\n{token}\n[inbox.bot.voice.vonage]\n"), &two);
}
