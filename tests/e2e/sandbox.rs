//! The demo as a newcomer meets it, in a real browser: a mail becomes a ticket with its acknowledgment and reasons, the
//! agent answers, the customer answers back, a stranger with the reference stays out.

use anyhow::{Context, Result, bail};
use lodge_e2e::browser::{Browser, key};
use lodge_e2e::process::Process;
use lodge_e2e::{gateway, needs, ports};
use std::process::Command;
use std::time::Duration;

/// The demo, its page, and what ends with it.
struct Demo {
    _process: Process,
    url: String,
    folder: tempfile::TempDir,
}

async fn demo() -> Result<Demo> {
    let folder = tempfile::tempdir()?;
    let port = ports::free()?;
    let mut command = Command::new(gateway::binary()?);
    command.args(["demo", "--listen", &format!("127.0.0.1:{port}")]).env("TMPDIR", folder.path());
    let mut process = Process::start(&mut command, &folder.path().join("demo.log"))?;
    lodge_e2e::process::listening(&mut process, port)
        .await
        .with_context(|| std::fs::read_to_string(folder.path().join("demo.log")).unwrap_or_default())?;
    Ok(Demo { _process: process, url: format!("http://127.0.0.1:{port}/sandbox"), folder })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_sees_a_mail_become_a_ticket() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let demo = demo().await?;
    let browser = Browser::open(demo.folder.path(), (1400, 1000), false).await?;
    browser.go(&demo.url).await?;
    browser.shows("#link", "live").await?;

    browser.write("#mail [name=subject]", "Cannot log in").await?;
    browser.write("#mail [name=text]", "The page says <b>wrong password</b>. Please help.").await?;
    browser.click("#mail .primary").await?;
    browser.shows("#sent", "durable").await?;
    browser.shows("#list .ticket h3", "Cannot log in").await?;
    browser.shows("#list .ticket", "<b>wrong password</b>").await?;
    browser.shows("#list .ticket .chips", "queue technical").await?;
    browser.shows("#list .ticket .chips", "acknowledged").await?;
    browser.shows("#mails .mail", "Your reference").await?;
    browser.click("#list .ticket .entry details summary").await?;
    browser.shows("#list .ticket .reasons", "cannot get in").await?;

    browser.write("#list .ticket .answer textarea", "Hi Ann, try again now.").await?;
    browser.click("#list .ticket .answer button").await?;
    browser.shows("#mails .mail", "Hi Ann, try again now.").await?;
    browser.shows("#list .ticket", "your answer is sent").await?;

    browser.click("#mails .mail button").await?;
    browser.write("#mail [name=text]", "It works, thank you.").await?;
    browser.click("#mail .primary").await?;
    browser.shows("#list .ticket", "It works, thank you.").await?;
    browser.shows("#list .ticket .entry:last-of-type .chips", "appended").await?;

    browser.click("#mail summary").await?;
    browser.click("#mail [data-try=forged]").await?;
    browser.shows("#list", "without the right to join it").await?;
    let count = browser.run("return document.querySelectorAll('#list .ticket').length").await?;
    assert_eq!(count, 2, "the stranger's words are a ticket of their own");
    let spilt = browser.run("return document.querySelectorAll('#list b').length - document.querySelectorAll('#list .reasons b').length").await?;
    assert_eq!(spilt, 0, "t33: what a customer wrote is shown as text, never as markup");
    browser.close().await
}

/// Waits until `script` is true in the page.
async fn until(browser: &Browser, script: &str) -> Result<()> {
    for _ in 0..200 {
        if browser.run(script).await? == true {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("not within 20 s: {script}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_chats_on_one_side_and_answers_on_the_other() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let demo = demo().await?;
    let browser = Browser::open(demo.folder.path(), (1400, 1000), false).await?;
    browser.go(&demo.url).await?;
    browser.shows("#link", "live").await?;
    browser.click("#chat").await?;
    let root = "const root = document.querySelector('lodge-chat').shadowRoot;";
    until(&browser, &format!("{root} return root.activeElement?.id === 'name'")).await?;
    for text in ["Ann Lee", "ann@example.com", "Where is my lamp?"] {
        browser.devtools("Input.insertText", serde_json::json!({"text": text})).await?;
        browser.press(&[key::TAB]).await?;
    }
    browser.press(&[key::ENTER]).await?;
    browser.shows("#list .ticket h3", "chat: Where is my lamp?").await?;
    let covered = "const panel = root.querySelector('.panel').getBoundingClientRect(); \
                   return panel.width > 0 && panel.left < document.querySelector('#list').getBoundingClientRect().right";
    assert_eq!(
        browser.run(&format!("{root} {covered}")).await?,
        false,
        "the chat leaves the tickets to be seen"
    );
    browser.write("#list .ticket .answer textarea", "It is on its way.").await?;
    browser.click("#list .ticket .answer button").await?;
    browser.shows("#list .ticket", "your answer is").await?;
    let heard = "return root.querySelector('.log').innerText.includes('It is on its way.')";
    until(&browser, &format!("{root} {heard}")).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_fits_a_telephone_and_the_keyboard_reaches_everything() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let demo = demo().await?;
    let browser = Browser::open(demo.folder.path(), (400, 800), true).await?;
    browser.go(&demo.url).await?;
    browser.shows("#link", "live").await?;
    let wide = browser
        .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        .await?;
    assert_eq!(wide, 0, "nothing is cut off at the side");
    let dark = browser.run("return matchMedia('(prefers-color-scheme: dark)').matches").await?;
    let ground = browser.run("return getComputedStyle(document.body).backgroundColor").await?;
    assert_eq!((dark, ground.as_str()), (true.into(), Some("rgb(20, 23, 28)")));
    let nameless = "return [...document.querySelectorAll('input, textarea, button')].filter(e => \
                    !(e.labels?.length || e.ariaLabel || e.textContent.trim())).length";
    assert_eq!(browser.run(nameless).await?, 0, "every control has a name");
    let unreachable = "return [...document.querySelectorAll('input, textarea, button, summary, a')].filter(e => e.tabIndex < 0).length";
    assert_eq!(browser.run(unreachable).await?, 0, "every control is reached by the keyboard");
    let small = "return [...document.querySelectorAll('input:not([type=checkbox]), textarea, button, summary, .check')] \
                 .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 43.9).map((e) => e.outerHTML)";
    assert_eq!(browser.run(small).await?, serde_json::json!([]), "everything is large enough for a finger");
    browser.close().await
}
