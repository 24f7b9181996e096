//! Archives stay what they are: opaque bytes. Only `winmail.dat` is opened, one level deep and within hard bounds.

use crate::house::understood;
use bytes::Bytes;
use data_encoding::BASE64_MIME;
use lodge_domain::{Contact, Inbound};

fn mail(name: &str, media_type: &str, content: &[u8]) -> Vec<u8> {
    format!(
        "From: a@b.example\r\nSubject: s\r\nMessage-ID: <m@b>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n\
         --b\r\nContent-Type: {media_type}\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        BASE64_MIME.encode(content)
    )
    .into_bytes()
}

fn opened(raw: &[u8]) -> (Contact, Vec<Bytes>) {
    let understood = understood(raw);
    let Inbound::Contact(contact) = understood.inbound else { panic!("a contact") };
    let size: usize = understood.blobs.iter().map(Bytes::len).sum();
    assert!(size <= raw.len(), "{size} bytes out of {}", raw.len());
    (*contact, understood.blobs)
}

/// A local header (PKWARE APPNOTE 4.3.7) that promises 4 GiB behind a few bytes.
fn zip_bomb() -> Vec<u8> {
    let mut zip = b"PK\x03\x04\x14\0\0\0\x08\0".to_vec();
    zip.extend([0; 8]);
    zip.extend(20_u32.to_le_bytes());
    zip.extend(u32::MAX.to_le_bytes());
    zip.extend([5, 0, 0, 0]);
    zip.extend(b"a.txt");
    zip.extend([0x4b; 20]);
    zip
}

/// A gzip member (RFC 1952) of 4 GiB of one letter, by its trailer.
fn gzip_bomb() -> Vec<u8> {
    [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &[0x4b; 400], &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]].concat()
}

#[test]
fn t25_archives_are_never_unpacked() {
    let inner = mail("inner.zip", "application/zip", &zip_bomb());
    for (name, media_type, content) in [
        ("42.zip", "application/zip", zip_bomb()),
        ("many.zip", "application/zip", zip_bomb().repeat(1_000)),
        ("logs.gz", "application/gzip", gzip_bomb()),
        ("logs.tar.gz", "application/x-gtar-compressed", gzip_bomb()),
        ("page.svgz", "image/svg+xml", gzip_bomb()),
        (
            "letter.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            zip_bomb(),
        ),
        ("a.7z", "application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c\0\x04".repeat(50)),
        ("a.rar", "application/vnd.rar", b"Rar!\x1a\x07\x01\0".repeat(50)),
        ("mail.eml", "message/rfc822; x=y", inner),
    ] {
        let (contact, blobs) = opened(&mail(name, media_type, &content));
        assert_eq!(contact.attachments.len(), 1, "{name}");
        assert_eq!(contact.attachments[0].name.as_deref(), Some(name));
        assert_eq!(&blobs[0][..], &content[..], "{name}: byte for byte");
    }
}

fn attribute(id: u32, data: &[u8], claimed: u32) -> Vec<u8> {
    let sum = data.iter().fold(0_u16, |n, b| n.wrapping_add(u16::from(*b)));
    [&[2][..], &id.to_le_bytes(), &claimed.to_le_bytes(), data, &sum.to_le_bytes()].concat()
}

fn fits(id: u32, data: &[u8]) -> Vec<u8> {
    attribute(id, data, u32::try_from(data.len()).unwrap())
}

/// `winmail.dat` (MS-OXTNEF) with `files` of the given name and content.
fn winmail(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = [&0x223e_9f78_u32.to_le_bytes()[..], &[1, 0]].concat();
    for (name, content) in files {
        out.extend(fits(0x0006_9002, &[0; 14]));
        out.extend(fits(0x0001_8010, format!("{name}\0").as_bytes()));
        out.extend(fits(0x0006_800f, content));
    }
    out
}

#[test]
fn t25_winmail_is_opened_one_level_deep_and_its_archives_stay_shut() {
    let zip = zip_bomb();
    let nested = winmail(&[("deeper.txt", b"deep")]);
    let outer = winmail(&[("bomb.zip", &zip), ("winmail.dat", &nested)]);
    let (contact, blobs) = opened(&mail("winmail.dat", "application/ms-tnef", &outer));
    let names: Vec<_> = contact.attachments.iter().filter_map(|a| a.name.as_deref()).collect();
    assert_eq!(names, ["bomb.zip", "winmail.dat"], "unpacked once");
    assert_eq!((&blobs[0][..], &blobs[1][..]), (&zip[..], &nested[..]));
}

#[test]
fn t25_a_winmail_that_promises_a_gigabyte_stays_a_file() {
    let head = winmail(&[]);
    let gigabyte = attribute(0x0006_800f, b"short", 1 << 30);
    let endless = attribute(0x0006_800f, b"short", u32::MAX);
    let hundred: Vec<(&str, &[u8])> = vec![("a", b"a"); 101];
    let properties = [&u32::MAX.to_le_bytes()[..], &[0x1f, 0, 7, 0x37]].concat();
    for (case, content) in [
        ("a gigabyte", [head.clone(), fits(0x0006_9002, &[0; 14]), gigabyte].concat()),
        ("endless", [head.clone(), fits(0x0006_9002, &[0; 14]), endless].concat()),
        ("too many files", winmail(&hundred)),
        ("endless properties", [head.clone(), fits(0x0006_9003, &properties)].concat()),
    ] {
        let (contact, blobs) = opened(&mail("winmail.dat", "application/ms-tnef", &content));
        assert_eq!(contact.attachments.len(), 1, "{case}");
        assert_eq!(contact.attachments[0].name.as_deref(), Some("winmail.dat"), "{case}");
        assert_eq!(&blobs[0][..], &content[..], "{case}");
    }
    let (contact, _) = opened(&mail("winmail.dat", "application/ms-tnef", &winmail(&hundred[..100])));
    assert_eq!(contact.attachments.len(), 100, "at the limit it is opened");
}
