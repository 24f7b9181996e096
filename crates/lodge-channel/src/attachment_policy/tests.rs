//! Each kind of file by its name, its declared type and its bytes, and the honest ones that must pass.

use super::judge;
use lodge_domain::Suspicion::{
    self, ActiveContent, DisguisedName, DiskImage, Executable, Macro, Script, Shortcut, TypeMismatch,
};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n";
const ELF: &[u8] =
    b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0";

fn windows_program() -> Vec<u8> {
    let mut bytes = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".to_vec();
    bytes.resize(0x3c, 0);
    bytes.extend([0x40, 0, 0, 0]);
    bytes.extend(b"PE\0\0\x64\x86");
    bytes.resize(256, 0);
    bytes
}

fn packed(names: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(name.as_bytes());
    }
    bytes
}

fn of(name: &str, declared: &str, content: &[u8]) -> Vec<Suspicion> {
    judge(Some(name), declared, content).suspicions.into_iter().collect()
}

#[test]
fn t48_honest_files_pass() {
    let word = packed(&["[Content_Types].xml", "word/document.xml"]);
    for (name, declared, content) in [
        ("shot.png", "image/png", PNG),
        ("photo.jpg", "application/octet-stream", JPEG),
        ("photo.jpeg", "image/png", JPEG),
        ("bill.pdf", "application/pdf", PDF),
        ("bill.pdf", "text/plain", PDF),
        ("letter.docx", "application/octet-stream", &word),
        ("letter.doc", "application/msword", &word),
        ("table.xls", "application/vnd.ms-excel", OLE),
        ("locked.docx", "application/octet-stream", OLE),
        ("archive.tar.gz", "application/gzip", b"\x1f\x8b\x08\0\0\0\0\0"),
        (
            "notes.txt",
            "text/plain",
            b"BMW, MZ and PK are letters too.\nAnd so is <svg in the middle of a line.\n",
        ),
        ("data.xml", "application/xml", b"<?xml version=\"1.0\"?><order id=\"1\"/>"),
        ("mail.eml", "message/rfc822", b"Subject: x\r\n\r\n<html>"),
        ("Re: order 12.30.txt", "text/plain", b"x"),
        ("unknown", "application/octet-stream", b"\x01\x02\x03"),
        ("", "", b""),
    ] {
        assert_eq!(of(name, declared, content), [], "{name} as {declared}");
    }
}

#[test]
fn t48_programs_are_seen_by_name_type_and_bytes() {
    let program = windows_program();
    assert_eq!(of("setup.exe", "application/octet-stream", &program), [Executable]);
    assert_eq!(of("SETUP.EXE. ", "text/plain", b"x"), [Executable]);
    assert_eq!(of("a.exe::$DATA", "text/plain", b"x"), [Executable]);
    assert_eq!(of("data", "application/x-msdownload", b""), [Executable]);
    assert_eq!(of("photo.jpg", "image/jpeg", &program), [Executable, TypeMismatch]);
    assert_eq!(of("photo.jpg", "image/jpeg", ELF), [Executable, TypeMismatch]);
    assert_eq!(of("notes", "application/octet-stream", ELF), [Executable]);
    assert_eq!(of("tool.jar", "application/zip", &packed(&["META-INF/MANIFEST.MF"])), [Executable]);
    assert_eq!(
        of("tool.zip", "application/zip", &packed(&["META-INF/MANIFEST.MF", "A.class"])),
        [Executable]
    );
    // The test file of the anti-virus industry has an extension that is run.
    let eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    assert_eq!(of("eicar.com", "application/octet-stream", eicar.as_bytes()), [Executable]);
}

#[test]
fn t48_scripts_shortcuts_images_and_active_content() {
    let mut iso = vec![0; 0x8001];
    iso.extend(b"CD001\x01\0");
    let mut dmg = vec![1; 600];
    dmg.extend(b"koly");
    dmg.resize(600 + 512, 0);
    for (name, declared, content, expected) in [
        ("run.ps1", "text/plain", &b"Get-Item"[..], Script),
        ("readme", "text/plain", b"#!/bin/sh\nrm -rf /\n", Script),
        ("x", "application/javascript", b"", Script),
        ("shell.txt", "text/plain", b"<?php system($_GET[0]);", Script),
        ("invoice.lnk", "application/octet-stream", b"L\0\0\0\x01\x14\x02\0\0\0\0\0", Shortcut),
        ("invoice", "application/octet-stream", b"L\0\0\0\x01\x14\x02\0\0\0\0\0", Shortcut),
        ("page.txt", "text/plain", b"[InternetShortcut]\r\nURL=file://evil.example/x", Shortcut),
        ("disk.iso", "application/octet-stream", b"", DiskImage),
        ("disk", "application/octet-stream", &iso, DiskImage),
        ("disk", "application/octet-stream", &dmg, DiskImage),
        ("login.html", "text/plain", b"x", ActiveContent),
        ("login", "application/octet-stream", b"\xef\xbb\xbf  <!DOCTYPE HTML><html>", ActiveContent),
        (
            "picture",
            "application/octet-stream",
            b"<?xml version=\"1.0\"?>\n<!-- -->\n<svg onload=\"x\">",
            ActiveContent,
        ),
        ("wide", "application/octet-stream", b"\xff\xfe<\0h\0t\0m\0l\0>\0", ActiveContent),
        ("help.chm", "application/octet-stream", b"ITSF\x03\0\0\0", ActiveContent),
    ] {
        assert_eq!(of(name, declared, content), [expected], "{name}");
    }
}

#[test]
fn t48_macros_are_seen_without_unpacking() {
    let mut old = OLE.to_vec();
    old.resize(512, 0);
    old.extend("_VBA_PROJECT".encode_utf16().flat_map(u16::to_le_bytes));
    let new = packed(&["[Content_Types].xml", "word/vbaProject.bin"]);
    assert_eq!(of("letter.doc", "application/msword", &old), [Macro]);
    assert_eq!(of("letter.docx", "application/octet-stream", &new), [Macro]);
    assert_eq!(of("letter.docm", "application/vnd.ms-word.document.macroEnabled.12", b""), [Macro]);
    let rtf = b"{\\rtf1{\\object\\objemb{\\*\\objdata 0105}}}";
    assert_eq!(of("letter.rtf", "application/rtf", rtf), [Macro]);
    // In a big file the directory stands at its end.
    let mut big = packed(&["a"]);
    big.resize(9 << 20, 7);
    big.extend(packed(&["xl/vbaProject.bin"]));
    assert_eq!(of("table.xlsx", "application/octet-stream", &big), [Macro]);
}

#[test]
fn t48_names_that_hide_what_a_file_is() {
    for name in [
        "invoice.pdf.exe",
        "invoice.PDF .exe",
        "invoice                         .exe",
        "invoice.pdf____________________.exe",
        "..\\..\\invoice.jpg.exe",
        "invoice\u{202e}fdp.exe",
    ] {
        assert_eq!(of(name, "application/octet-stream", b"x"), [Executable, DisguisedName], "{name:?}");
    }
    // Right to left, and the true extension is harmless: the name lies all the same.
    assert_eq!(of("cod\u{202e}gpj.txt", "text/plain", b"x"), [DisguisedName]);
    assert_eq!(of("page.docx.html", "text/html", b"x"), [ActiveContent, DisguisedName]);
    assert_eq!(of("build.min.js", "text/plain", b"x"), [Script], "two dots alone hide nothing");
}

#[test]
fn t48_content_that_is_neither_what_name_nor_type_say() {
    for (name, declared, content) in [
        ("photo.jpg", "image/jpeg", PDF),
        ("bill.pdf", "application/pdf", PNG),
        ("notes.txt", "text/plain", JPEG),
    ] {
        assert_eq!(of(name, declared, content), [TypeMismatch], "{name}");
    }
    let judgement = judge(Some("bill.pdf"), "application/pdf", PNG);
    assert_eq!(judgement.sniffed.as_deref(), Some("image/png"));
}

/// Whatever bytes come, they are judged and never run or unpacked; a bomb costs no more than its size.
#[test]
fn t48_any_bytes_are_judged_in_bounded_time() {
    let mut noise = Vec::new();
    let mut state = 1_u64;
    for _ in 0..200_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.push((state >> 56) as u8);
    }
    let starts: [&[u8]; 9] = [b"", b"PK\x03\x04", OLE, b"{\\rtf1", b"<", b"MZ", b"\x7fELF", b"BM", b"%PDF-"];
    for start in starts {
        for length in [0, 1, 7, 63, 511, 4096, 0x8001, noise.len()] {
            let content = [start, noise.get(..length).unwrap()].concat();
            let judgement = judge(Some("\u{0}\u{202e}.. .:/\\"), "\r\n;;/", &content);
            assert!(judgement.suspicions.contains(&DisguisedName));
        }
    }
}
