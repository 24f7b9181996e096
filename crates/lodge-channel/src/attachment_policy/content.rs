//! What a file's bytes say about it. Bounded: looks at the beginning and the end of a big file, never into what is packed.

use lodge_domain::Suspicion;
use std::collections::BTreeSet;

/// What the bytes say.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) media_type: Option<&'static str>,
    pub(super) suspicions: BTreeSet<Suspicion>,
}

/// Bytes looked at for what a file starts with.
const HEAD: usize = 64 * 1024;
/// Bytes searched, from the beginning and from the end, for the names of what is packed inside.
const SEARCHED: usize = 4 * 1024 * 1024;

/// A start that tells what a file is, the type it then has, and what speaks against it.
const STARTS: [(&[u8], &str, Suspicion); 13] = [
    (b"\x7fELF", "application/x-executable", Suspicion::Executable),
    (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut", Suspicion::Shortcut),
    (b"[InternetShortcut]", "application/internet-shortcut", Suspicion::Shortcut),
    (b"[Desktop Entry]", "application/x-desktop", Suspicion::Shortcut),
    (b"conectix", "application/x-virtualbox-vhd", Suspicion::DiskImage),
    (b"vhdxfile", "application/x-virtualbox-vhd", Suspicion::DiskImage),
    (b"KDMV", "application/x-vmdk-disk", Suspicion::DiskImage),
    (b"QFI\xfb", "application/x-qemu-disk", Suspicion::DiskImage),
    (b"MSWIM\0\0\0", "application/x-ms-wim", Suspicion::DiskImage),
    (b"ITSF\x03\0\0\0", "application/vnd.ms-htmlhelp", Suspicion::ActiveContent),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote", Suspicion::ActiveContent),
    (b"<?php", "application/x-php", Suspicion::Script),
    (b"#!", "text/x-shellscript", Suspicion::Script),
];

/// Looks at a file.
pub(super) fn look(content: &[u8]) -> Seen {
    let head = content.get(..HEAD.min(content.len())).unwrap_or_default();
    let mut seen = Seen::default();
    let marked = start(head).or_else(|| disk_image(content)).or_else(|| markup(head));
    if let Some((media_type, suspicion)) = marked {
        seen.media_type = Some(media_type);
        seen.suspicions.insert(suspicion);
        return seen;
    }
    seen.media_type = known(head);
    seen.suspicions.extend(seen.media_type.and_then(of_media_type));
    seen.suspicions.extend(inside(seen.media_type, content));
    seen
}

/// A type that the library tells by its magic numbers. Plain text is none of those with short ones: a letter may well begin
/// with `BM`.
fn known(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"MZ") && head.len() >= 64 && !is_text(head) {
        return Some("application/vnd.microsoft.portable-executable");
    }
    let found = infer::get(head)?.mime_type();
    let textual = found.starts_with("text/")
        || matches!(found, "application/pdf" | "application/rtf" | "application/postscript");
    (textual || !is_text(head)).then_some(found)
}

fn is_text(head: &[u8]) -> bool {
    let start = head.get(..512.min(head.len())).unwrap_or_default();
    !start.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
}

fn of_media_type(media_type: &str) -> Option<Suspicion> {
    match media_type {
        "application/vnd.microsoft.portable-executable"
        | "application/x-executable"
        | "application/x-mach-binary"
        | "application/java"
        | "application/wasm"
        | "application/vnd.android.dex"
        | "application/vnd.android.dey"
        | "application/vnd.debian.binary-package"
        | "application/x-rpm"
        | "application/x-google-chrome-extension"
        | "application/x-llvm" => Some(Suspicion::Executable),
        "text/x-shellscript" => Some(Suspicion::Script),
        "application/x-qemu-disk" => Some(Suspicion::DiskImage),
        "text/html" | "application/x-shockwave-flash" => Some(Suspicion::ActiveContent),
        _ => None,
    }
}

fn start(head: &[u8]) -> Option<(&'static str, Suspicion)> {
    let text = without_mark(head);
    let found = STARTS.iter().find(|(start, ..)| {
        let length = start.len();
        text.get(..length).is_some_and(|given| given.eq_ignore_ascii_case(start))
    });
    found.map(|(_, media_type, suspicion)| (*media_type, *suspicion))
}

/// Images whose mark does not stand at their start.
fn disk_image(content: &[u8]) -> Option<(&'static str, Suspicion)> {
    let at = |from: usize, mark: &[u8]| content.get(from..from + mark.len()) == Some(mark);
    let last_block = content.len().saturating_sub(512);
    let media_type = if at(0x8001, b"CD001") || at(0x8801, b"CD001") || at(0x8001, b"BEA01") {
        "application/x-iso9660-image"
    } else if content.len() > 512 && at(last_block, b"koly") {
        "application/x-apple-diskimage"
    } else if content.len() > 512 && at(last_block, b"conectix") {
        "application/x-virtualbox-vhd"
    } else {
        return None;
    };
    Some((media_type, Suspicion::DiskImage))
}

/// HTML, SVG and their kind, however they begin.
fn markup(head: &[u8]) -> Option<(&'static str, Suspicion)> {
    let start: Vec<u8> = without_mark(head).iter().filter(|byte| **byte != 0).take(4096).copied().collect();
    let start = start.trim_ascii_start();
    if start.first() != Some(&b'<') {
        return None;
    }
    let lower = start.to_ascii_lowercase();
    let has = |needle: &[u8]| find(&lower, needle);
    let media_type = if has(b"<svg") || has(b":svg") {
        "image/svg+xml"
    } else if [&b"<html"[..], b"<!doctype html", b"<script", b"<body", b"<iframe", b"<meta http-equiv"]
        .into_iter()
        .any(has)
    {
        "text/html"
    } else {
        return None;
    };
    Some((media_type, Suspicion::ActiveContent))
}

/// What the names inside a packed document say, without unpacking anything: names are never compressed.
fn inside(media_type: Option<&str>, content: &[u8]) -> BTreeSet<Suspicion> {
    let mut found = BTreeSet::new();
    let size = content.len();
    let parts = [
        content.get(..SEARCHED.min(size)).unwrap_or_default(),
        content.get(size.saturating_sub(SEARCHED).max(SEARCHED.min(size))..).unwrap_or_default(),
    ];
    let holds = |needle: &[u8]| parts.iter().any(|part| find(part, needle));
    if content.starts_with(b"PK\x03\x04") {
        if holds(b"vbaProject.bin") || holds(b"xl/macrosheets/") {
            found.insert(Suspicion::Macro);
        }
        // The first entry of a Java archive, and the one that every Android package has.
        let first = content.get(30..50).unwrap_or_default();
        if first == b"META-INF/MANIFEST.MF" || holds(b"AndroidManifest.xml") {
            found.insert(Suspicion::Executable);
        }
    } else if content.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        if holds(&wide("_VBA_PROJECT")) || holds(&wide("\u{1}Ole10Native")) {
            found.insert(Suspicion::Macro);
        }
    } else if media_type == Some("application/rtf") && holds(b"\\objdata") {
        found.insert(Suspicion::Macro);
    }
    found
}

/// Without the mark of a Unicode encoding.
fn without_mark(head: &[u8]) -> &[u8] {
    let marks = [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"];
    marks.into_iter().find_map(|mark| head.strip_prefix(mark)).unwrap_or(head)
}

/// A name as old office files write it: two bytes a letter.
fn wide(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return false };
    let mut left = haystack;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = left.get(at + 1..).unwrap_or_default();
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}
