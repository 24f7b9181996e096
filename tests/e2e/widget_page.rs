//! The chat widget as a guest on somebody's page: under the strictest policy, with texts that are meant to do harm, and with
//! scripts of the page that talk to it.

use anyhow::{Context, Result};
use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use lodge_e2e::house::OTHER_PASSWORD;
use lodge_e2e::{House, Visitor, clock, visitor};
use serde_json::json;

/// What an agent's side may be made to say.
const HOSTILE: [&str; 6] = [
    "<img src=x onerror=\"window.spilt=1\"><script>window.spilt=1</script>",
    "click javascript:window.spilt=1 or data:text/html,<script>window.spilt=1</script>",
    "see https://bank.example@evil.example/ and \"https://x.example/\" onmouseover=\"window.spilt=1\"",
    "invoice\u{202e}fdp.exe \u{2066}ok\u{2069} \u{202d}abc",
    "{{constructor.constructor('window.spilt=1')()}} ${window.spilt=1}",
    "<svg/onload=window.spilt=1><a href=//evil.example>here</a><style>*{display:none}</style>",
];

async fn begin(house: &House, ann: &Visitor) -> Result<String> {
    ann.open().await?;
    ann.write("hello").await?;
    ann.sees("Your reference is").await?;
    house.exactly(1, 20).await?;
    let contacts = house.core.contacts();
    Ok(contacts.first().context("a contact")?["ticket"]["reference"]
        .as_str()
        .context("a reference")?
        .to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_hostile_text_stays_text_under_the_strictest_policy() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/?title=<b>Shop</b>").await?;
    let _before = ann.browser.console().await?;
    let reference = begin(&house, &ann).await?;
    for (text, at) in HOSTILE.iter().zip(0..) {
        let body = json!({"text": text, "author": "<i>Sam</i>\u{202e}"});
        let path = format!("/v1/conversations/{reference}/replies");
        let heard = house.desk()?.post(&path, &body, &[("idempotency-key", &format!("k{at}"))]).await?;
        assert_eq!(heard.status, 202);
    }
    ann.until("all of it", "return all('.message.agent .text').length === 6").await?;
    let log = ann.log().await?;
    for text in HOSTILE {
        let plain: String =
            text.chars().filter(|letter| !('\u{202d}'..='\u{202e}').contains(letter)).collect();
        let shown = |line: &String| line.replace(" (evil.example)", "") == plain || *line == plain;
        assert!(log.iter().any(shown), "{plain} is not shown as it was written: {log:?}");
    }
    let made = "return all('.message *').map((e) => e.tagName).filter((name) => !['DIV', 'SPAN', 'BDI', 'TIME', 'A', 'BUTTON'].includes(name))";
    assert_eq!(ann.look(made).await?, json!([]), "no element comes out of a text");
    let links = ann.look("return all('.message a').map((e) => e.href)").await?;
    assert_eq!(links, json!(["https://x.example/"]), "one honest address, and nothing that reads as another");
    assert_eq!(
        ann.look(
            "return all('.message a').every((e) => e.rel === 'noopener noreferrer' && e.target === '_blank')"
        )
        .await?,
        true
    );
    let authors = ann.look("return [...new Set(all('.agent .author').map((e) => e.textContent))]").await?;
    assert_eq!(authors, json!(["<i>Sam</i>"]));
    assert_eq!(ann.look("return one('h2').textContent").await?, json!("<b>Shop</b>"));
    assert_eq!(ann.look("return window.spilt ?? null").await?, json!(null), "nothing ran");
    assert_eq!(ann.look("return one('.text').checkVisibility()").await?, true, "nothing was hidden");
    ann.look("chat.close()").await?;
    assert_eq!(ann.browser.console().await?, Vec::<String>::new(), "no refusal by the policy, no error");
    ann.browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pages_own_script_is_told_and_may_forget() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    assert_eq!(
        ann.look("return localStorage.length + sessionStorage.length").await?,
        0,
        "nothing is kept of a passer-by"
    );
    assert_eq!(
        ann.look("return performance.getEntriesByType('resource').length").await?,
        1,
        "and nothing asked but the script"
    );
    let listen = "window.heard = []; for (const name of ['open', 'close', 'message', 'unread', 'accepted', 'ended']) \
                  chat.on(name, (detail) => window.heard.push([name, detail ?? null])); \
                  window.stop = chat.on('open', () => window.heard.push(['never', null])); window.stop()";
    ann.look(listen).await?;
    let reference = begin(&house, &ann).await?;
    let names = "return window.heard.map(([name]) => name)";
    ann.until(
        "accepted",
        "return window.heard.some(([name, d]) => name === 'accepted' && /^\\d{10}$/.test(d.reference))",
    )
    .await?;
    ann.look("chat.close()").await?;
    assert_eq!(house.desk()?.reply(&reference, "an answer", "k1").await?.status, 202);
    ann.until("unread", "return window.heard.some(([name, d]) => name === 'unread' && d.count === 1)")
        .await?;
    ann.look("chat.toggle()").await?;
    ann.until("read", "return window.heard.findLast(([name]) => name === 'unread')[1].count === 0").await?;
    let heard = ann.look(names).await?;
    let heard: Vec<_> = heard.as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
    assert!(!heard.contains(&"never"), "who stopped listening hears nothing");
    for name in ["open", "accepted", "message", "close", "unread"] {
        assert!(heard.contains(&name), "{name} is not told: {heard:?}");
    }
    // A shared computer: whoever comes next finds neither what was said nor what was half written.
    ann.look("one('.composer textarea').focus()").await?;
    ann.types("my card is").await?;
    ann.look("chat.forget()").await?;
    let nothing = "return localStorage.length === 0 && !JSON.stringify({...sessionStorage}).includes('card') && one('.panel').hidden \
                   && all('.message').length === 0 && all('textarea').every((e) => e.value === '') \
                   && !one('.panel').textContent.includes('Reference')";
    ann.until("nothing is left", nothing).await?;
    let tag = "const again = document.createElement('script'); again.src = document.querySelector('script').src; \
               again.dataset.inbox = 'website'; document.body.append(again)";
    // Under Trusted Types a page needs a policy of its own for this; without one the second tag is refused, which is as good.
    let _refused = ann.look(tag).await;
    ann.look("chat.open()").await?;
    ann.write("somebody else").await?;
    house.exactly(2, 20).await?;
    let contacts = house.core.contacts();
    assert_ne!(
        contacts[0]["ticket"]["reference"], contacts[1]["ticket"]["reference"],
        "another conversation"
    );
    assert_eq!(ann.look("return document.querySelectorAll('lodge-chat').length").await?, 1);
    ann.browser.close().await
}

/// A token for `sub`, good until `seconds` from now, as a website's backend makes it.
fn token(sub: &str, seconds: i64) -> String {
    let part = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let exp = clock::now().as_second() + seconds;
    let claims =
        json!({"sub": sub, "aud": "website", "exp": exp, "name": "Ann Lee", "email": "ann@example.com"});
    let signed = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, OTHER_PASSWORD.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(hmac::sign(&key, signed.as_bytes()).as_ref()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h03_a_signed_in_visitor_is_known_and_an_old_token_is_told() -> Result<()> {
    let inbox = "identity_secret = \"env:OTHER_PASSWORD\"\n";
    let Some((house, site)) = visitor::house(inbox, "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    // The script as a page may pin it.
    let http = reqwest::Client::builder().no_proxy().build()?;
    let script = http.get(format!("{}/widget.js", house.public())).send().await?.bytes().await?;
    let hash = BASE64.encode(digest::digest(&digest::SHA384, &script).as_ref());
    let pinned = |hash: &str| format!("integrity=sha384-{}", hash.replace('+', "%2B"));
    ann.visit(&format!("/?{}&identity={}", pinned(&hash), token("customer-7", -5))).await?;
    ann.look("window.refused = 0; chat.on('identity_refused', () => window.refused += 1)").await?;
    ann.open().await?;
    ann.until("told", "return window.refused === 1").await?;
    ann.look(&format!("chat.identify({})", json!(token("customer-7", 600)))).await?;
    begin(&house, &ann).await?;
    let contact = house.core.contacts().remove(0);
    assert_eq!(contact["from"]["assurance"], "authenticated", "{contact}");
    assert_eq!(contact["from"]["name"], "Ann Lee");
    assert_eq!(ann.look("return window.refused").await?, 1);
    // Another script than the pinned one does not run.
    let other = BASE64.encode(digest::digest(&digest::SHA384, b"another").as_ref());
    ann.browser.go(&format!("{}/?{}", site.origin(), pinned(&other))).await?;
    assert_eq!(ann.look("return window.LodgeChat === undefined").await?, true);
    ann.browser.close().await
}
