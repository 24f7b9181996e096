//! Golden tests over the mails in `fixtures/email`, and properties.
//!
//! `UPDATE_FIXTURES=1 cargo test -p lodge-channel-email --test fixtures` writes the golden files anew; every difference is
//! to be read before it is committed.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use bytes::Bytes;
use lodge_channel_email::tokens::{self, ReplyAddress};
use lodge_channel_email::understand::{Arrival, Copies, OwnAddress, Surroundings, understand, unparsed};
use lodge_domain::delivery::OutboundKind;
use lodge_domain::{
    Assurance, BrandName, Contact, ConversationId, EnvelopeId, Flag, Inbound, InboxId, InboxName,
    JoinCondition, KeyRing, OutboundId, Reference, Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn around() -> Surroundings {
    let inbox = InboxName::parse("support").unwrap();
    let own = |address: &str| OwnAddress { inbox: inbox.clone(), address: address.to_owned() };
    Surroundings {
        inbox: InboxId { brand: BrandName::unbranded(), name: inbox.clone() },
        provider: "imap".to_owned(),
        own: vec![own("Support@acme.example"), own("help@acme.example")],
        reply_address: Some(ReplyAddress::plus("support@acme.example").unwrap()),
        authserv_ids: vec!["mx.acme.example".to_owned()],
        trusted_headers: false,
        copies: Copies::One,
        keys: Arc::new(keys()),
        message_id_domain: "acme.example".to_owned(),
        instance: "test".to_owned(),
    }
}

fn keys() -> KeyRing {
    KeyRing::new(&[(1, vec![7; 32])]).unwrap()
}

fn arrival() -> Arrival {
    let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    Arrival { received_at: now, now, backfill: false, truncated: None }
}

fn contact_of(raw: &[u8]) -> Contact {
    match understand(&Bytes::copy_from_slice(raw), &arrival(), &around()).inbound {
        Inbound::Contact(contact) => *contact,
        other => panic!("not a contact: {other:?}"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/email")
}

fn mails(kind: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder().join(kind)).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|e| e == "eml"));
    all.sort();
    all
}

/// What matters of a contact, in the order a reader looks at it.
fn digest(contact: &Contact) -> Value {
    let attachment = |a: &lodge_domain::Attachment| json!({"name": a.name, "media_type": a.media_type, "size": a.blob.size, "inline": a.inline, "content_id": a.content_id});
    json!({
        "from": {"name": contact.from.name, "handle": contact.from.handle.value, "kind": contact.from.handle.kind,
                 "assurance": contact.from.assurance, "evidence": contact.from.evidence},
        "recipients": contact.recipients,
        "introduces": contact.introduces.iter().map(|p| &p.value).collect::<Vec<_>>(),
        "subject": contact.subject,
        "body": contact.body,
        "attachments": contact.attachments.iter().map(attachment).collect::<Vec<_>>(),
        "origin": contact.origin,
        "no_acknowledgment": contact.no_acknowledgment,
        "flags": contact.flags,
        "delivery_reports": contact.delivery_reports,
        "details": contact.details,
        "occurred_at": contact.occurred_at,
        "dedupe_source": contact.dedupe.source,
        "thread_keys": contact.thread_keys.iter().map(|k| json!([k.condition, k.label])).collect::<Vec<_>>(),
        "registers": contact.registers.len(),
        "way_back": contact.return_path.as_ref().map(|r| json!([r.sealed["to"], r.sealed["reply_to"], r.sealed["alias"]])),
    })
}

fn expected_path(mail: &Path) -> PathBuf {
    mail.with_extension("expected.json")
}

fn compare(kind: &str) {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut differing = Vec::new();
    for path in mails(kind) {
        let got = digest(&contact_of(&std::fs::read(&path).unwrap()));
        if update {
            std::fs::write(expected_path(&path), serde_json::to_string_pretty(&got).unwrap() + "\n").unwrap();
        }
        let want = std::fs::read_to_string(expected_path(&path))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let want: Value = serde_json::from_str(&want).unwrap();
        if got != want {
            let got = serde_json::to_string_pretty(&got).unwrap();
            differing.push(format!("{}\n got {got}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn b01_clients() {
    compare("clients");
}

#[test]
fn b01_malformed() {
    compare("malformed");
}

#[test]
fn e01_automated() {
    compare("automated");
}

#[test]
fn b01_rfc() {
    compare("rfc");
}

#[test]
fn t23_hostile() {
    assert!(mails("hostile").len() >= 60);
    compare("hostile");
}

#[test]
fn t23_what_can_be_read_in_two_ways_is_flagged_and_not_believed() {
    for name in [
        "two_from",
        "two_from_same",
        "two_subjects",
        "two_message_ids",
        "two_dates",
        "two_senders_fields",
        "two_content_types",
        "two_boundaries",
        "two_filenames",
        "two_encodings",
        "several_senders",
        "nul_in_header",
        "bare_cr_in_header",
        "broken_base64",
    ] {
        let contact = contact_of(&std::fs::read(folder().join(format!("hostile/{name}.eml"))).unwrap());
        assert!(contact.flags.contains(&Flag::Ambiguous), "{name}");
        assert_eq!(contact.from.assurance, Assurance::Failed, "{name}");
        assert!(!contact.no_acknowledgment.is_empty(), "{name}");
    }
}

#[test]
fn t35_smuggled_ends_are_not_believed() {
    for name in ["smuggled_lf_dot_lf", "smuggled_lf_dot_crlf", "smuggled_cr_dot_cr"] {
        let contact = contact_of(&std::fs::read(folder().join(format!("hostile/{name}.eml"))).unwrap());
        assert_eq!(contact.from.assurance, Assurance::Failed, "{name}");
    }
}

#[test]
fn t38_t03_forgeries_join_nothing_and_prove_nothing() {
    for path in mails("hostile") {
        let contact = contact_of(&std::fs::read(&path).unwrap());
        let always = contact.thread_keys.iter().any(|key| key.condition == JoinCondition::Always);
        assert!(!always, "{}", path.display());
        let html = contact.body.html.unwrap_or_default().to_lowercase();
        for bad in [
            "<script",
            "onerror=",
            "javascript:",
            "<iframe",
            "<svg",
            "<style",
            "https://evil",
            "//evil",
            "data:",
        ] {
            assert!(!html.contains(bad), "{}: {html}", path.display());
        }
    }
}

fn conversation() -> (ConversationId, Reference, OutboundId) {
    let envelope = EnvelopeId::of_contact(&[9; 32]);
    let conversation = ConversationId::founded_by(&envelope);
    let reference = Reference::derive(&conversation, 0);
    let outbound = OutboundId::acknowledgment_of(&envelope);
    (conversation, reference, outbound)
}

fn own_id() -> String {
    let (conversation, _, outbound) = conversation();
    tokens::message_id(
        &keys(),
        &BrandName::unbranded(),
        OutboundKind::Acknowledgment,
        &conversation,
        &outbound,
        "acme.example",
    )
}

#[test]
fn c01_keys_stand_in_order() {
    let (conversation, reference, _) = conversation();
    let token = tokens::address_token(&keys(), &BrandName::unbranded(), &reference).unwrap();
    let raw = format!(
        "From: Ann <ann@example.com>\r\nTo: Support+{}@ACME.example\r\nSubject: Re: Printer on fire [#{reference}]\r\nMessage-ID: <n@example.com>\r\n\
         In-Reply-To: <{}>\r\nReferences: <first@example.com> <second@example.com>\r\n\r\nhello",
        token.to_uppercase(),
        own_id().to_uppercase(),
    );
    let contact = contact_of(raw.as_bytes());
    let keys = &contact.thread_keys;
    assert_eq!(
        (Some(keys[0].value), keys[0].condition),
        (tokens::reference_key(&reference), JoinCondition::Always)
    );
    assert_eq!(
        (Some(keys[1].value), keys[1].condition),
        (tokens::conversation_key(&conversation), JoinCondition::Always)
    );
    let stored: Vec<_> = keys.iter().filter(|k| k.condition == JoinCondition::IfParticipantOnTopic).collect();
    assert_eq!(stored.len(), 3, "{stored:?}");
    assert_eq!(
        Some(stored[1].value),
        lodge_channel_email::understand::message_id_key("<second@example.com>")
    );
    assert_eq!(keys.last().unwrap().condition, JoinCondition::Hint);
    // The reference in the subject is the key that the address already gave, with the stronger condition.
    assert_eq!(keys.iter().filter(|k| Some(k.value) == tokens::reference_key(&reference)).count(), 1);
}

#[test]
fn t01_verification_mails_join_by_no_token() {
    let (_, reference, _) = conversation();
    let token = tokens::address_token(&keys(), &BrandName::unbranded(), &reference).unwrap();
    let raw = format!(
        "From: Slack <no-reply@slack.com>\r\nTo: support+{token}@acme.example\r\nSubject: Confirm your email address\r\n\r\nClick the link below to confirm."
    );
    let contact = contact_of(raw.as_bytes());
    assert!(contact.flags.contains(&Flag::Verification));
    assert!(contact.thread_keys.iter().all(|key| key.condition != JoinCondition::Always));
}

#[test]
fn e01_our_own_mail_coming_back_is_skipped_and_its_bounce_reported() {
    let id = own_id();
    let back = format!("From: support@acme.example\r\nMessage-ID: <{id}>\r\nSubject: x\r\n\r\nx");
    let skipped = understand(&Bytes::from(back), &arrival(), &around()).inbound;
    assert!(matches!(skipped, Inbound::Skipped { .. }), "{skipped:?}");
    let bounce = |id: &str| {
        format!(
            "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nSubject: failure\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Final-Recipient: rfc822; ann@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 unknown\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{id}>\r\n\r\n--b--\r\n"
        )
    };
    let Inbound::Report(report) = understand(&Bytes::from(bounce(&id)), &arrival(), &around()).inbound else {
        panic!("a report")
    };
    assert_eq!(report.about, conversation().2);
    assert_eq!(
        (report.recipients[0].handle.as_str(), report.recipients[0].text.as_deref()),
        ("ann@example.com", Some("550 5.1.1 unknown"))
    );
    let forged = id.replace("v1.ack", "v1.reply");
    assert!(matches!(
        understand(&Bytes::from(bounce(&forged)), &arrival(), &around()).inbound,
        Inbound::Contact(_)
    ));
}

#[test]
fn d04_the_same_mail_over_two_paths_has_one_key_and_another_text_another() {
    let mail = |trace: &str, text: &str| {
        contact_of(format!("{trace}From: ann@example.com\r\nSubject: s\r\nMessage-ID: <m@example.com>\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\n\r\n{text}").as_bytes()).dedupe
    };
    let first = mail("Received: a\r\nDelivered-To: support@acme.example\r\n", "hello  you\r\n");
    assert_eq!(first, mail("Received: b\r\nX-Spam: no\r\n", "hello you"));
    let other = mail("", "hello me");
    assert!(first.source == other.source && first.content != other.content);
}

#[test]
fn c09_copies_choose_inbox_and_scope() {
    let raw = Bytes::from_static(
        b"From: a@b.example\r\nTo: sales@acme.example, support@acme.example\r\nMessage-ID: <m@b>\r\n\r\nx",
    );
    let with = |copies: Copies| {
        let mut around = around();
        around.copies = copies;
        around.own.push(OwnAddress {
            inbox: InboxName::parse("sales").unwrap(),
            address: "sales@acme.example".to_owned(),
        });
        match understand(&raw, &arrival(), &around).inbound {
            Inbound::Contact(contact) => (contact.inbox.name.to_string(), contact.dedupe.scope),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(Copies::One), ("support".to_owned(), "email".to_owned()));
    assert_eq!(with(Copies::Each), ("support".to_owned(), "email/support".to_owned()));
    assert_eq!(with(Copies::Primary), ("sales".to_owned(), "email".to_owned()));
}

#[test]
fn a11_a_mail_of_which_only_the_head_is_at_hand_says_so() {
    let raw = Bytes::from_static(b"From: ann@example.com\r\nSubject: video\r\n\r\nhello");
    let arrival = Arrival { truncated: Some(300_000_000), ..arrival() };
    let Inbound::Contact(contact) = understand(&raw, &arrival, &around()).inbound else {
        panic!("a contact")
    };
    assert!(contact.flags.contains(&Flag::Truncated) && contact.body.text.contains("300000000"));
}

#[test]
fn a12_what_cannot_be_understood_is_still_a_contact() {
    let raw =
        Bytes::from_static(b"From: Ann <ann@example.com>\r\nSubject: =?utf-8?Q?caf=C3=A9?=\r\n\r\nwords");
    let Inbound::Contact(contact) = unparsed(&raw, &arrival(), &around(), "a parser panicked").inbound else {
        panic!("a contact")
    };
    assert!(
        contact.flags.contains(&Flag::Unparsed) && contact.no_acknowledgment.contains(&"unparsed".to_owned())
    );
    assert_eq!(
        (contact.subject.as_deref(), contact.from.handle.value.as_str()),
        (Some("café"), "ann@example.com")
    );
    assert_eq!(contact.body.text, "words");
}

#[test]
fn b10_the_same_bytes_become_the_same_contact() {
    for path in mails("clients") {
        let raw = Bytes::from(std::fs::read(path).unwrap());
        let first = understand(&raw, &arrival(), &around());
        let second = understand(&raw, &arrival(), &around());
        assert_eq!(serde_json::to_vec(&first.inbound).unwrap(), serde_json::to_vec(&second.inbound).unwrap());
        let Inbound::Contact(contact) = first.inbound else { continue };
        assert_eq!(first.blobs.len(), contact.attachments.len());
    }
}

fn any_fixture() -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<Vec<u8>> = ["clients", "malformed", "automated", "rfc", "hostile"]
        .iter()
        .flat_map(|kind| mails(kind))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    proptest::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes is filed: no panic, a text where there is a reply, a raw reference that fits.
    #[test]
    fn b01_any_bytes_are_filed(raw in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let contact = contact_of(&raw);
        prop_assert_eq!(contact.raw.as_ref().map(|r| r.size), Some(raw.len() as u64));
        prop_assert_eq!(contact.body.reply.trim().is_empty(), contact.body.text.trim().is_empty());
    }

    /// Fixtures with bytes changed, cut out and doubled.
    #[test]
    fn b01_damaged_mails_are_filed(
        mut raw in any_fixture(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<proptest::sample::Index>(),
        doubled in any::<proptest::sample::Index>(),
    ) {
        if !raw.is_empty() {
            for (at, byte) in changes {
                let at = at.index(raw.len());
                raw[at] = byte;
            }
            let at = cut.index(raw.len());
            let end = raw.len().min(at + 40);
            raw.drain(at..end);
        }
        if !raw.is_empty() {
            let at = doubled.index(raw.len());
            let piece: Vec<u8> = raw[at..raw.len().min(at + 200)].to_vec();
            raw.splice(at..at, piece);
        }
        let contact = contact_of(&raw);
        prop_assert!(contact.attachments.len() <= 100);
        prop_assert!(contact.from.assurance != Assurance::Authenticated || !contact.from.evidence.is_empty());
        prop_assert!(contact.thread_keys.iter().all(|key| key.condition != JoinCondition::Always));
    }
}
