//! Nothing in a mail is fetched, run or answered because the mail says so.

use crate::house::{around, arrival, contact_of, keys};
use bytes::Bytes;
use lodge_channel_email::compose::{MailReturn, SenderIdentity, compose};
use lodge_channel_email::understand::Worker;
use lodge_domain::delivery::{OutboundKind, OutboundMessage};
use lodge_domain::{BrandName, Contact, ConversationId, EnvelopeId, Inbound, OutboundId, Reference};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// A mail with `url` wherever some reader might follow it.
fn mail_full_of(url: &str) -> String {
    let fields = [
        "Subject",
        "Reply-To",
        "List-Unsubscribe",
        "List-Archive",
        "List-Help",
        "Archived-At",
        "Content-Location",
        "Content-Base",
        "X-Image-URL",
        "X-Avatar",
        "BIMI-Location",
        "OpenPGP",
        "Disposition-Notification-To",
        "Return-Receipt-To",
        "X-Confirm-Reading-To",
        "Received-SPF",
        "DKIM-Signature",
        "ARC-Seal",
        "Autocrypt",
        "In-Reply-To",
        "References",
        "X-Mailer",
        "Comments",
    ];
    let header: String = fields.iter().map(|name| format!("{name}: <{url}?{name}>\r\n")).collect();
    let html = format!(
        "<html><head><link rel=stylesheet href=\"{url}\"><base href=\"{url}\"><meta http-equiv=refresh content=\"0;url={url}\">\
         <style>@import url({url}); body {{ background: url({url}) }}</style></head>\
         <body background=\"{url}\"><img src=\"{url}\" srcset=\"{url} 2x\" width=1 height=1><img src='//{url}'>\
         <p style=\"background-image:url({url})\">text</p><iframe src=\"{url}\"></iframe><object data=\"{url}\"></object>\
         <video poster=\"{url}\" src=\"{url}\"></video><audio src=\"{url}\"></audio><embed src=\"{url}\">\
         <input type=image src=\"{url}\"><form action=\"{url}\"><button>x</button></form>\
         <svg><image xlink:href=\"{url}\"/></svg><table background=\"{url}\"><tr><td background=\"{url}\">cell</td></tr></table>\
         <a href=\"{url}\" ping=\"{url}\">link</a></body></html>"
    );
    format!(
        "From: \"{url}\" <ann@example.com>\r\nTo: support@acme.example\r\n{header}Message-ID: <m@example.com>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
         --c\r\nContent-Type: text/plain\r\n\r\nlook at {url}\r\n--c\r\nContent-Type: text/html\r\n\r\n{html}\r\n--c--\r\n\
         --b\r\nContent-Type: message/external-body; access-type=URL; URL=\"{url}\"\r\n\r\nContent-Type: image/png\r\n\r\n\
         --b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nATTACH:{url}\r\nEND:VCALENDAR\r\n\
         --b\r\nContent-Type: application/pkcs7-mime\r\nContent-Location: {url}\r\n\r\nx\r\n\
         --b\r\nContent-Type: image/svg+xml; name=\"{url}\"\r\n\r\n<svg xmlns:x='{url}'><image href='{url}'/></svg>\r\n--b--\r\n"
    )
}

fn answer(contact: &Contact, kind: OutboundKind) -> Vec<u8> {
    let envelope = EnvelopeId::of_contact(&[1; 32]);
    let conversation = ConversationId::founded_by(&envelope);
    let message = OutboundMessage {
        id: OutboundId::acknowledgment_of(&envelope),
        kind,
        brand: BrandName::unbranded(),
        inbox: contact.inbox.name.clone(),
        reference: Reference::derive(&conversation, 0),
        conversation,
        return_path: contact.return_path.clone().unwrap(),
        subject: None,
        text: contact.body.text.clone(),
        html: contact.body.html.clone(),
        attachments: Vec::new(),
        author: None,
    };
    let sender = SenderIdentity {
        name: Some("Acme".to_owned()),
        address: "support@acme.example".to_owned(),
        reply_address: None,
        message_id_domain: "acme.example".to_owned(),
        instance: "gw".to_owned(),
    };
    compose(&message, &sender, &keys(), &[], arrival().now).unwrap().bytes
}

#[tokio::test]
async fn t45_no_address_in_any_field_is_ever_visited() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/canary", listener.local_addr().unwrap());
    let worker = Worker::start(1).unwrap();
    let raw = Bytes::from(mail_full_of(&url));
    let understood = worker.understand(raw, arrival(), Arc::new(around())).await.unwrap();
    let Inbound::Contact(contact) = understood.inbound else { panic!("a contact") };
    assert!(contact.body.text.contains(&url), "the reader sees where it leads");
    for kind in [OutboundKind::Acknowledgment, OutboundKind::Reply] {
        assert!(!answer(&contact, kind).is_empty());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let visit = listener.accept().unwrap_err();
    assert_eq!(visit.kind(), ErrorKind::WouldBlock, "somebody came: {visit}");
}

#[test]
fn t45_what_the_core_shows_loads_nothing_either() {
    let contact = contact_of(mail_full_of("http://canary.example/x").as_bytes());
    let html = contact.body.html.unwrap().to_lowercase();
    let link = "<a href=\"http://canary.example/x\"";
    assert!(html.contains(link), "a link is for people to follow: {html}");
    let rest = html.replace(link, "");
    assert!(!rest.contains("canary.example"), "everything else is gone: {rest}");
    for loads in
        ["src=\"http", "srcset", "background", "url(", "<link", "<base", "<meta", "ping=", "<form", "<iframe"]
    {
        assert!(!rest.contains(loads), "{loads}: {rest}");
    }
}

/// A disposition notification (RFC 8098) would tell a stranger that and when somebody read his mail.
#[test]
fn t45_requests_for_receipts_are_not_answered() {
    let raw = "From: ann@example.com\r\nDisposition-Notification-To: eve@evil.example\r\nReturn-Receipt-To: eve@evil.example\r\n\
               Message-ID: <m@example.com>\r\nSubject: s\r\n\r\nhello";
    let contact = contact_of(raw.as_bytes());
    let back: MailReturn =
        serde_json::from_value(contact.return_path.as_ref().unwrap().sealed.clone()).unwrap();
    assert_eq!((back.to.as_str(), back.reply_to), ("ann@example.com", None));
    for kind in [OutboundKind::Acknowledgment, OutboundKind::Reply] {
        let written = String::from_utf8(answer(&contact, kind)).unwrap();
        assert!(
            !written.contains("evil.example") && !written.contains("disposition-notification"),
            "{written}"
        );
    }
}

#[test]
fn t39_names_and_subjects_reach_an_answer_as_they_were_written() {
    for name in ["{{7*7}}", "{% include 'en.txt' %}", "${7*7}", "#{7*7}", "%n%s%x", "{{ config }}"] {
        let raw = format!(
            "From: \"{name}\" <ann@example.com>\r\nSubject: {name}\r\nMessage-ID: <m@example.com>\r\n\r\nhello"
        );
        let contact = contact_of(raw.as_bytes());
        assert_eq!(contact.from.name.as_deref(), Some(name));
        let written = String::from_utf8(answer(&contact, OutboundKind::Reply)).unwrap();
        assert!(written.contains(&format!("Subject: Re: {name} [#")), "{written}");
    }
    let raw = format!("From: \"{}\" <ann@example.com>\r\nSubject: s\r\n\r\nhello", "x".repeat(1_000_000));
    let contact = contact_of(raw.as_bytes());
    assert!(contact.from.name.is_none_or(|name| name.chars().count() <= 200));
}
