//! Bombs, made here instead of stored: whatever they hold, they end as contacts, in time and on an ordinary stack.

use crate::house::{around, arrival, contact_of};
use lodge_channel_email::understand::Worker;
use lodge_domain::Inbound;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bombs: what they are called, and their bytes.
fn bombs() -> Vec<(String, Vec<u8>)> {
    let head = "From: x@evil.example\r\nSubject: bomb\r\nMessage-ID: <bomb@evil.example>\r\n";
    let mut all: Vec<(String, String)> = Vec::new();
    for depth in [10, 1_000, 30_000] {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(depth);
        all.push((format!("{depth} nested messages"), format!("{head}{nested}end")));
        let multiparts: String = (0..depth)
            .map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n"))
            .collect();
        all.push((format!("{depth} nested multiparts"), format!("{head}{multiparts}\r\nend")));
    }
    // Long enough to overflow a stack by recursion alone, whatever each step keeps there.
    let deepest = "Content-Type: message/rfc822\r\n\r\n".repeat(200_000);
    all.push(("200,000 nested messages".to_owned(), format!("{head}{deepest}end")));
    let part = |kind: &str| format!("{head}Content-Type: multipart/{kind}; boundary=b\r\n\r\n");
    let body = |kind: &str, text: &str| format!("{head}Content-Type: {kind}\r\n\r\n{text}");
    let more = [
        ("100,000 parts", part("mixed") + &"--b\r\n\r\nx\r\n".repeat(100_000)),
        ("a digest of 50,000", part("digest") + &"--b\r\n\r\nFrom: a@b.c\r\n\r\nx\r\n".repeat(50_000)),
        ("100,000 fields", format!("{head}{}\r\nx", "X-A: b\r\n".repeat(100_000))),
        ("a field of 5 MB", format!("{head}X-Long: {}\r\n\r\nx", "y".repeat(5_000_000))),
        ("100,000 recipients", format!("{head}To: {}\r\n\r\nx", "a@b.example, ".repeat(100_000))),
        ("300,000 references", format!("{head}References: {}\r\n\r\nx", "<a@b.example> ".repeat(300_000))),
        ("50,000 parameters", body(&format!("text/plain{}", "; a*0=b".repeat(50_000)), "x")),
        ("an open comment", format!("Cc: {}\r\n{head}\r\nx", "(".repeat(60_000))),
        ("an open quote", format!("Cc: \"{}\r\n{head}\r\nx", "\\\"".repeat(30_000))),
        ("encoded words", format!("Subject: {}\r\n{head}\r\nx", "=?utf-8?B?w6k=?= ".repeat(50_000))),
        ("open encoded words", format!("Subject: {}\r\n{head}\r\nx", "=?".repeat(30_000))),
        ("500,000 divs", body("text/html", &"<div>".repeat(500_000))),
        ("100,000 tables", body("text/html", &"<table><tr><td>".repeat(100_000))),
        ("open tags", body("text/html", &"<b ".repeat(350_000))),
        ("open attributes", body("text/html", &"<a b=\">".repeat(150_000))),
        ("open comments", body("text/html", &"<!--".repeat(500_000))),
        ("entities", body("text/html", &"&#".repeat(300_000))),
        ("quotes", body("text/plain", &">".repeat(1_000_000))),
        ("quoted lines", body("text/plain", &"> x\r\n".repeat(100_000))),
        ("introductions", body("text/plain", &"On 1.1.2026 a <b@c.d>\r\n".repeat(20_000))),
        ("labels", body("text/plain", &"From: a\r\n".repeat(40_000))),
        ("rules", body("text/plain", &"__________\r\n".repeat(40_000))),
        ("one line of 10 MB", body("text/plain", &"x".repeat(10_000_000))),
        ("10 MB of escapes", body("text/plain; charset=iso-2022-jp", &"\u{1b}$B".repeat(3_000_000))),
        ("status codes", body("text/plain", &"5.".repeat(500_000))),
        (
            "uuencode without end",
            body("text/plain", &("begin 644 x\r\n".to_owned() + &"M\r\n".repeat(100_000))),
        ),
    ];
    all.extend(more.map(|(name, text)| (name.to_owned(), text)));
    all.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

/// The mails are understood on an ordinary thread of a test: a stack of 2 MiB must do.
#[test]
fn t21_t22_t26_bombs_end_as_contacts() {
    for (name, raw) in bombs() {
        let started = Instant::now();
        let contact = contact_of(&raw);
        let took = started.elapsed();
        println!("{took:?} {name}");
        assert_eq!(contact.from.handle.value, "x@evil.example", "{name}");
        assert!(contact.body.text.len() <= 1024 * 1024 + 200 && contact.attachments.len() <= 100, "{name}");
        // Debug builds of a shared machine are slow; a quadratic step would take minutes.
        assert!(took < Duration::from_secs(25), "{name}: {took:?}");
        drop(contact.clone());
    }
}

#[tokio::test]
async fn t21_the_worker_survives_bombs_and_goes_on() {
    let worker = Worker::start(1).unwrap();
    let around = Arc::new(around());
    let (_, bomb) = bombs().into_iter().find(|(name, _)| name == "30000 nested multiparts").unwrap();
    let first = worker.understand(bomb.into(), arrival(), Arc::clone(&around)).await.unwrap();
    assert!(matches!(first.inbound, Inbound::Contact(_)));
    let raw = bytes::Bytes::from_static(b"From: ann@example.com\r\nSubject: next\r\n\r\nhello");
    let next = worker.understand(raw, arrival(), around).await.unwrap();
    let Inbound::Contact(contact) = next.inbound else { panic!("a contact") };
    assert_eq!(contact.body.text, "hello");
}
