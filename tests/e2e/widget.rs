//! The chat widget in a real browser, on a website of its own: what a visitor writes is a ticket, and neither a lost gateway,
//! a lost network, a slept machine nor another page loses or doubles a word (H01, H02).

use anyhow::{Context, Result};
use lodge_e2e::{House, Visitor, Wire, visitor};
use std::time::Duration;

/// The reference of the only conversation the core has.
fn reference(house: &House) -> Result<String> {
    let contacts = house.core.contacts();
    let first = contacts.first().context("a contact")?["ticket"]["reference"].clone();
    assert!(contacts.iter().all(|contact| contact["ticket"]["reference"] == first), "one conversation");
    Ok(first.as_str().context("a reference")?.to_owned())
}

/// The texts that the core was told, in order.
fn told(house: &House) -> Vec<String> {
    let text =
        |contact: &serde_json::Value| contact["body"]["text"].as_str().unwrap_or_default().trim().to_owned();
    house.core.contacts().iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_a_visitor_writes_through_a_lost_gateway_and_a_reload() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    ann.open().await?;
    ann.write("Where is my lamp?").await?;
    ann.sees("Your reference is").await?;
    house.exactly(1, 20).await?;
    gateway.kill()?;
    ann.write("Are you still there?").await?;
    ann.sees("No connection").await?;
    let _gateway = house.run().await?;
    house.exactly(2, 90).await?;
    let reference = reference(&house)?;
    assert_eq!(house.desk()?.reply(&reference, "We are <b>here</b>.", "k1").await?.status, 202);
    ann.sees("We are <b>here</b>.").await?;
    let said = ["Where is my lamp?", "Are you still there?", "We are <b>here</b>."];
    ann.reads(&said).await?;
    ann.until("the notice goes", "return one('.notice').hidden").await?;
    ann.visit("/").await?;
    ann.reads(&said).await?;
    house.exactly(2, 5).await?;
    ann.browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h02_words_written_without_a_network_arrive_once_and_in_order() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    let wire = Wire::to(&house.public()).await?;
    site.serve(&wire.url(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    ann.open().await?;
    ann.write("one").await?;
    ann.sees("Your reference is").await?;
    // In flight when the line goes dead: whether the gateway has it, nobody here knows.
    wire.deaden();
    ann.write("two").await?;
    ann.offline(true).await?;
    wire.cut();
    ann.sees("No connection").await?;
    for text in ["three", "four"] {
        ann.write(text).await?;
    }
    ann.sees("Waiting for a connection").await?;
    // An answer that comes meanwhile waits for the visitor.
    let reference = reference(&house)?;
    assert_eq!(house.desk()?.reply(&reference, "Hello, Ann.", "k1").await?.status, 202);
    tokio::time::sleep(Duration::from_secs(2)).await;
    wire.mend();
    ann.offline(false).await?;
    house.exactly(4, 60).await?;
    ann.reads(&["one", "Hello, Ann.", "two", "three", "four"]).await?;
    assert_eq!(told(&house), ["one", "two", "three", "four"]);
    ann.until(
        "all is well",
        "return one('.notice').hidden && all('[data-state=waiting], [data-state=sending]').length === 0",
    )
    .await?;
    ann.browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_a_machine_that_slept_wakes_up_to_everything() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    let wire = Wire::to(&house.public()).await?;
    site.serve(&wire.url(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    ann.open().await?;
    ann.write("I am here").await?;
    ann.sees("Your reference is").await?;
    house.exactly(1, 20).await?;
    ann.browser.signal("STOP")?;
    // The router forgets a connection that says nothing; nobody tells the laptop.
    wire.deaden();
    let reference = reference(&house)?;
    for (text, key) in [("Are you there?", "k1"), ("We found it.", "k2")] {
        assert_eq!(house.desk()?.reply(&reference, text, key).await?.status, 202);
    }
    // A clock that jumped by less is no sleep; only a pulse that is this late tells it.
    tokio::time::sleep(Duration::from_secs(50)).await;
    wire.mend();
    ann.browser.signal("CONT")?;
    ann.reads(&["I am here", "Are you there?", "We found it."]).await?;
    ann.write("Wonderful").await?;
    house.exactly(2, 30).await?;
    ann.reads(&["I am here", "Are you there?", "We found it.", "Wonderful"]).await?;
    ann.browser.close().await
}

/// Has the page remember every `read` that its widget says.
const LISTEN: &str = "window.reads = []; const send = WebSocket.prototype.send; WebSocket.prototype.send = function (text) { \
    const frame = JSON.parse(text); if (frame.t === 'read') window.reads.push(frame.seq); return send.call(this, text); }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h02_two_tabs_of_one_visitor_tell_the_same() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    let first = ann.browser.at_hand().await?;
    ann.look(LISTEN).await?;
    ann.open().await?;
    ann.write("from the first").await?;
    ann.sees("Your reference is").await?;
    let second = ann.browser.tab().await?;
    ann.visit("/lamps").await?;
    ann.look(LISTEN).await?;
    ann.until("the panel is the tab's own", "return one('.panel').hidden").await?;
    ann.open().await?;
    ann.reads(&["from the first"]).await?;
    ann.write("from the second").await?;
    house.exactly(2, 20).await?;
    let reference = reference(&house)?;
    ann.reads(&["from the first", "from the second"]).await?;
    ann.browser.turn_to(&first).await?;
    ann.reads(&["from the first", "from the second"]).await?;
    assert_eq!(house.desk()?.reply(&reference, "to both", "k1").await?.status, 202);
    for tab in [&second, &first] {
        ann.browser.turn_to(tab).await?;
        ann.reads(&["from the first", "from the second", "to both"]).await?;
    }
    for tab in [&second, &first] {
        ann.browser.turn_to(tab).await?;
        ann.until("told to be read", "return window.reads.includes(4)").await?;
        let rising = "return window.reads.every((seq, at, all) => at === 0 || seq > all[at - 1])";
        assert_eq!(ann.look(rising).await?, true, "no mark is set twice by a tab");
    }
    // Seen in one tab is seen: the other's badge goes too, and comes once for what is new.
    ann.look("chat.close()").await?;
    ann.browser.turn_to(&second).await?;
    ann.look("chat.close()").await?;
    assert_eq!(house.desk()?.reply(&reference, "news", "k2").await?.status, 202);
    for tab in [&first, &second] {
        ann.browser.turn_to(tab).await?;
        ann.until("one unread message", "return !one('.badge').hidden && one('.badge').textContent === '1'")
            .await?;
    }
    ann.open().await?;
    ann.sees("news").await?;
    ann.browser.turn_to(&first).await?;
    ann.until("read in the other tab", "return one('.badge').hidden").await?;
    // Both write at once: an id is sent by one of them, or twice and kept once.
    ann.look("chat.open()").await?;
    ann.write("a").await?;
    ann.browser.turn_to(&second).await?;
    ann.write("b").await?;
    house.exactly(4, 20).await?;
    let mut last = told(&house).split_off(2);
    last.sort();
    assert_eq!(last, ["a", "b"]);
    ann.browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_an_open_panel_follows_the_visitor_from_page_to_page() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    ann.visit("/").await?;
    ann.open().await?;
    ann.write("on the first page").await?;
    ann.sees("Your reference is").await?;
    ann.look("one('.composer textarea').focus()").await?;
    ann.types("half a thou").await?;
    ann.visit("/lamps").await?;
    ann.until("open, as it was left", "return !one('.panel').hidden").await?;
    ann.until("the draft", "return one('.composer textarea').value === 'half a thou'").await?;
    let takes_focus = ann.look("return document.activeElement === host").await?;
    assert_eq!(takes_focus, false, "a new page keeps the focus where a reader begins");
    ann.reads(&["on the first page"]).await?;
    // Sent and left in the same breath: the next page brings it home.
    ann.look("one('.composer textarea').focus()").await?;
    ann.types("ght").await?;
    ann.look("one('.send').click(); location.href = '/'").await?;
    ann.until("the first page", "return location.pathname === '/' && !!chat").await?;
    house.exactly(2, 30).await?;
    ann.reads(&["on the first page", "half a thought"]).await?;
    // Back, out of the browser's memory or anew, is the same.
    ann.look("history.back()").await?;
    ann.until("the lamps", "return location.pathname === '/lamps' && !!chat").await?;
    ann.reads(&["on the first page", "half a thought"]).await?;
    house.exactly(2, 5).await?;
    // A page that swaps its body keeps the widget.
    ann.look("document.body = document.createElement('body')").await?;
    ann.until("back in the page", "return host.isConnected && !one('.panel').hidden").await?;
    ann.write("in the new body").await?;
    house.exactly(3, 20).await?;
    let pages: Vec<_> = house.core.contacts().iter().map(|one| one["details"]["page"].clone()).collect();
    assert_eq!(pages.len(), 3);
    ann.browser.close().await
}
