//! The chat widget without a mouse and without eyes: by keyboard alone, and as a screen reader is told.

use crate::widget_looks::MEASURE;
use anyhow::{Context, Result};
use lodge_e2e::browser::key::{ENTER, ESCAPE, SHIFT, SPACE, TAB};
use lodge_e2e::{Visitor, visitor};
use serde_json::{Value, json};

/// What has the focus, as a name of a class of the widget's or an id of the page's.
async fn focus(ann: &Visitor) -> Result<String> {
    let script = "const at = root?.activeElement; return at ? at.classList[at.classList.length - 1] || at.id || at.tagName.toLowerCase() \
                  : `page ${document.activeElement?.id || document.activeElement?.tagName.toLowerCase()}`";
    let name = ann.look(script).await?.as_str().context("a name")?.to_owned();
    // Wherever it is, it is seen to be there.
    assert_eq!(ann.look(MEASURE).await?, json!([]), "with the focus on {name}");
    Ok(name)
}

/// Presses Tab until the launcher has the focus, from the top of the page.
async fn to_launcher(ann: &Visitor) -> Result<()> {
    for _ in 0..10 {
        ann.browser.press(&[TAB]).await?;
        if focus(ann).await? == "launcher" {
            return Ok(());
        }
    }
    anyhow::bail!("the launcher is not reached by Tab")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_done_by_keyboard_alone() -> Result<()> {
    let Some((house, site)) = visitor::house("ask = [\"name\", \"email\"]\n", "").await? else {
        return Ok(());
    };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    to_launcher(&ann).await?;
    ann.browser.press(&[ENTER]).await?;
    ann.until("the form has the focus", "return root.activeElement?.id === 'name'").await?;
    // An empty form says what is missing, where it is missing.
    ann.browser.press(&[ENTER]).await?;
    ann.until(
        "what is missing",
        "return one('#name-error').checkVisibility() && one('#name').getAttribute('aria-invalid') === 'true'",
    )
    .await?;
    assert_eq!(focus(&ann).await?, "name");
    ann.types("Ann Lee").await?;
    ann.browser.press(&[TAB]).await?;
    ann.types("ann@example.com").await?;
    ann.browser.press(&[TAB]).await?;
    ann.types("My lamp").await?;
    ann.browser.press(&[TAB]).await?;
    assert_eq!(focus(&ann).await?, "primary");
    ann.browser.press(&[SPACE]).await?;
    ann.sees("Your reference is").await?;
    house.exactly(1, 20).await?;
    ann.until("the composer has the focus", "return root.activeElement?.tagName === 'TEXTAREA'").await?;
    // Shift and Enter make a line, Enter sends both.
    ann.types("line one").await?;
    ann.browser.press(&[SHIFT, ENTER]).await?;
    ann.types("line two").await?;
    ann.browser.press(&[ENTER]).await?;
    house.exactly(2, 20).await?;
    assert_eq!(house.core.contacts()[1]["body"]["text"], "line one\nline two");
    ann.until("an empty field", "return one('.composer textarea').value === ''").await?;
    // The order of what can be reached is that of what is seen, and the end of it is the launcher.
    let mut order = vec![focus(&ann).await?];
    for _ in 0..3 {
        ann.browser.press(&[TAB]).await?;
        order.push(focus(&ann).await?);
    }
    assert_eq!(order[..3], ["textarea", "send", "launcher"], "forwards: {order:?}");
    assert!(order[3].starts_with("page "), "no trap: a page with a chat is still a page: {order:?}");
    for _ in 0..2 {
        ann.browser.press(&[SHIFT, TAB]).await?;
    }
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(focus(&ann).await?);
        ann.browser.press(&[SHIFT, TAB]).await?;
    }
    assert_eq!(order, ["send", "textarea", "attach", "log", "close", "options"], "backwards");
    // The menu opens by key, closes by Escape alone, and its question can be declined.
    ann.look("one('.options').focus()").await?;
    ann.browser.press(&[ENTER]).await?;
    ann.until("the menu", "return !one('.menu').hidden && one('.menu').contains(root.activeElement)").await?;
    ann.browser.press(&[ESCAPE]).await?;
    ann.until("only the menu closes", "return one('.menu').hidden && !one('.panel').hidden").await?;
    assert_eq!(focus(&ann).await?, "options");
    ann.browser.press(&[ENTER]).await?;
    ann.browser.press(&[ENTER]).await?;
    ann.until(
        "the question",
        "return all('.closing').some((e) => e.checkVisibility() && e.contains(root.activeElement))",
    )
    .await?;
    ann.browser.press(&[TAB]).await?;
    ann.browser.press(&[ENTER]).await?;
    ann.until("the composer again", "return root.activeElement?.tagName === 'TEXTAREA'").await?;
    // Escape closes and gives the focus back to where it came from; what is half written is kept.
    ann.types("half").await?;
    ann.browser.press(&[ESCAPE]).await?;
    ann.until("closed", "return one('.panel').hidden && root.activeElement === one('.launcher')").await?;
    ann.browser.press(&[SPACE]).await?;
    ann.until("open again", "return !one('.panel').hidden && one('.composer textarea').value === 'half'")
        .await?;
    house.exactly(2, 3).await?;
    // A key that is typed here is none of the page's shortcuts.
    ann.look("window.pressed = []; document.addEventListener('keydown', (e) => window.pressed.push(e.key))")
        .await?;
    ann.browser.press(&["s"]).await?;
    assert_eq!(ann.look("return window.pressed").await?, json!([]));
    ann.browser.close().await
}

/// The accessibility tree, as `role "name"` with what matters of its state, without what is ignored.
async fn heard(ann: &Visitor) -> Result<Vec<String>> {
    let tree = ann.browser.devtools("Accessibility.getFullAXTree", json!({})).await?;
    let value = |node: &Value, part: &str| node[part]["value"].as_str().unwrap_or_default().to_owned();
    let nodes = tree["nodes"].as_array().context("a tree")?.iter();
    let line = |node: &Value| {
        let mut line = format!("{} {:?}", value(node, "role"), value(node, "name"));
        for property in node["properties"].as_array().into_iter().flatten() {
            let name = property["name"].as_str().unwrap_or_default();
            if ["live", "busy", "expanded", "invalid", "required", "hasPopup", "disabled"].contains(&name) {
                line.push_str(&format!(" {name}={}", property["value"]["value"]));
            }
        }
        line
    };
    Ok(nodes.filter(|node| node["ignored"] != true).map(line).collect())
}

/// Whether some line begins with `role "name"` and holds all of `states`.
fn has(lines: &[String], start: &str, states: &[&str]) -> bool {
    lines.iter().any(|line| line.starts_with(start) && states.iter().all(|state| line.contains(state)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_reader_is_told_what_others_see() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    let closed = heard(&ann).await?;
    assert!(has(&closed, "button \"Open chat\"", &["expanded=false"]), "{closed:#?}");
    assert!(has(&closed, "status", &["live=\"polite\""]), "{closed:#?}");
    assert!(!has(&closed, "dialog", &[]), "what is closed is not read");
    ann.open().await?;
    ann.write("hello").await?;
    ann.sees("Your reference is").await?;
    house.exactly(1, 20).await?;
    ann.until(
        "what comes is read aloud",
        "return one('.log').getAttribute('aria-live') === 'polite' && !one('.log').hasAttribute('aria-busy')",
    )
    .await?;
    let open = heard(&ann).await?;
    for (start, states) in [
        ("dialog \"Chat with us\"", &[][..]),
        ("heading \"Chat with us\"", &[]),
        ("button \"Options\"", &["expanded=false"]),
        ("button \"Close chat\"", &[]),
        ("log \"Messages\"", &["live=\"polite\""]),
        ("textbox \"Write a message\"", &[]),
        ("button \"Attach a file\"", &[]),
        ("button \"Send\"", &[]),
        ("StaticText \"You\"", &[]),
        ("StaticText \"Support\"", &[]),
        ("StaticText \"Sent\"", &[]),
    ] {
        assert!(has(&open, start, states), "{start} {states:?} is not among {open:#?}");
    }
    let nameless = |line: &&String| {
        ["button \"\"", "textbox \"\"", "link \"\"", "image \"\"", "dialog \"\""]
            .iter()
            .any(|role| line.starts_with(role))
    };
    assert_eq!(open.iter().find(nameless), None, "everything has a name");
    // With the panel closed, the status says that something came, in whole words.
    ann.look("chat.close(); window.said = []; new MutationObserver(() => window.said.push(one('[role=status]').textContent)) \
              .observe(one('[role=status]'), {childList: true, characterData: true, subtree: true})").await?;
    let contacts = house.core.contacts();
    let reference =
        contacts.first().context("a contact")?["ticket"]["reference"].as_str().context("a reference")?;
    assert_eq!(house.desk()?.reply(reference, "an answer", "k1").await?.status, 202);
    ann.until("it is said", "return window.said.includes('1 unread message')").await?;
    let closed = heard(&ann).await?;
    assert!(has(&closed, "button \"Open chat, 1 unread message\"", &[]), "{closed:#?}");
    // A page that is loaded anew reads nothing of what is old.
    ann.visit("/lamps").await?;
    ann.look("window.live = []; new MutationObserver(() => window.live.push([one('.log').getAttribute('aria-live'), all('.message').length])) \
              .observe(root, {childList: true, attributes: true, subtree: true}); chat.open()").await?;
    ann.sees("an answer").await?;
    let early =
        ann.look("return window.live.some(([live, count]) => live === 'polite' && count < 3)").await?;
    assert_eq!(early, false, "a replay is not read aloud");
    ann.browser.close().await
}
