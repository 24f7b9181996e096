//! Mails to send in, each unlike the others.

/// A letter number `n` to the inbox.
pub(crate) fn letter(n: u32) -> Vec<u8> {
    format!(
        "Return-Path: <ann{n}@customer.example>\r\nMessage-ID: <letter-{n}@customer.example>\r\n\
         Date: Mon, 2 Mar 2026 09:00:{:02} +0000\r\nFrom: Ann <ann{n}@customer.example>\r\n\
         To: support@acme.example\r\nSubject: letter {n}\r\n\r\nMy printer number {n} is on fire.\r\n",
        n % 60
    )
    .into_bytes()
}

/// A letter of at least `size` bytes.
pub(crate) fn big_letter(n: u32, size: usize) -> Vec<u8> {
    let mut raw = letter(n);
    let line = format!("{}\r\n", "x".repeat(76));
    while raw.len() < size {
        raw.extend_from_slice(line.as_bytes());
    }
    raw
}
