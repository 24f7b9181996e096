//! Attachments that people should not just open: judged by name, type and bytes, in every nesting that a mail has, and
//! never unpacked, run or left out (T48).

use crate::house::contact_of;
use data_encoding::BASE64_MIME;
use lodge_domain::{Attachment, Suspicion};

const PROGRAM: &[u8] = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\
    This program cannot be run";

fn part(disposition: &str, media_type: &str, content: &[u8]) -> String {
    let content = BASE64_MIME.encode(content);
    format!(
        "Content-Type: {media_type}\r\nContent-Disposition: {disposition}\r\nContent-Transfer-Encoding: base64\r\n\r\n{content}\r\n"
    )
}

fn mixed(boundary: &str, parts: &[String]) -> String {
    let parts: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
    format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{parts}--{boundary}--\r\n")
}

fn attachments(body: &str) -> Vec<Attachment> {
    let head = "From: a@b.example\r\nSubject: s\r\nMessage-ID: <m@b>\r\nMIME-Version: 1.0\r\n";
    contact_of(format!("{head}{body}").as_bytes()).attachments
}

fn suspicions(file: &Attachment) -> Vec<Suspicion> {
    file.judgement.as_ref().expect("every file is judged").suspicions.iter().copied().collect()
}

#[test]
fn t48_a_program_is_seen_in_every_nesting_of_a_mail() {
    let program = part("attachment; filename=setup.exe", "application/octet-stream", PROGRAM);
    let text = "Content-Type: text/plain\r\n\r\nsee file\r\n".to_owned();
    let nested = mixed("c", &[text.clone(), program.clone()]);
    for body in [
        program.clone(),
        mixed("b", &[text.clone(), program.clone()]),
        mixed("b", &[text.clone(), nested.clone()]),
        mixed("b", &[text, mixed("d", &[nested])]),
    ] {
        let files = attachments(&body);
        assert_eq!(files.len(), 1, "{body}");
        assert_eq!(suspicions(&files[0]), [Suspicion::Executable]);
        assert_eq!(files[0].blob.size, PROGRAM.len() as u64, "kept as it is");
    }
}

#[test]
fn t48_disguises_of_mails_are_seen_although_the_shown_name_is_clean() {
    for (disposition, media_type, content, expected) in [
        (
            "attachment; filename=photo.jpg",
            "image/jpeg",
            PROGRAM,
            vec![Suspicion::Executable, Suspicion::TypeMismatch],
        ),
        (
            "attachment; filename*=utf-8''invoice%E2%80%AEfdp.exe",
            "application/pdf",
            b"x",
            vec![Suspicion::Executable, Suspicion::DisguisedName],
        ),
        (
            "attachment; filename=\"invoice.pdf                              .exe\"",
            "application/pdf",
            b"x",
            vec![Suspicion::Executable, Suspicion::DisguisedName],
        ),
        (
            "attachment; filename=login.html",
            "application/octet-stream",
            b"<html>",
            vec![Suspicion::ActiveContent],
        ),
        (
            "inline; filename=logo.svg",
            "image/svg+xml",
            b"<svg onload='x()'/>",
            vec![Suspicion::ActiveContent],
        ),
        ("attachment; filename=notes.txt", "text/plain", b"plain words", vec![]),
    ] {
        let text = "Content-Type: text/plain\r\n\r\nsee file\r\n".to_owned();
        let files = attachments(&mixed("b", &[text, part(disposition, media_type, content)]));
        assert_eq!(files.len(), 1, "{disposition}");
        assert_eq!(suspicions(&files[0]), expected, "{disposition}");
        assert!(!files[0].name.as_deref().unwrap().contains('\u{202e}'), "{:?}", files[0].name);
    }
}

#[test]
fn t48_a_message_as_a_file_and_winmail_are_judged_too() {
    let inner = "From: x@y.example\r\nSubject: inner\r\n\r\nhello\r\n";
    let forwarded = format!("Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n{inner}");
    let text = "Content-Type: text/plain\r\n\r\nsee file\r\n".to_owned();
    let files = attachments(&mixed("b", &[text.clone(), forwarded]));
    assert!(files.iter().all(|file| file.judgement.is_some() && suspicions(file).is_empty()), "{files:?}");
    let broken = part("attachment; filename=winmail.dat", "application/ms-tnef", PROGRAM);
    let files = attachments(&mixed("b", &[text, broken]));
    assert_eq!(suspicions(&files[0]), [Suspicion::Executable]);
}
