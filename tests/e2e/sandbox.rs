//! The demo as a newcomer meets it, in a real browser: mail, chat, a call by the keypad and a messenger become tickets with
//! their acknowledgments and reasons, the agent answers, the customer answers back, a stranger with the reference stays out.

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
    browser.click("#tab-chat").await?;
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

/// The page in a window of its own, with this pane open.
async fn pane(demo: &Demo, tab: &str) -> Result<Browser> {
    let browser = Browser::open(demo.folder.path(), (1400, 1000), false).await?;
    browser.go(&demo.url).await?;
    browser.shows("#link", "live").await?;
    browser.click(tab).await?;
    Ok(browser)
}

/// What the page may not have complained about: scripts or styles that its policy forbids, errors of its own.
async fn assert_no_complaints(browser: &Browser) -> Result<()> {
    let complaints = browser.console().await?;
    let bad: Vec<_> = complaints.iter().filter(|line| line.starts_with("SEVERE")).collect();
    assert!(bad.is_empty(), "{bad:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_newcomer_calls_by_the_keypad_and_hears_the_ticket_s_reference() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let demo = demo().await?;
    let browser = pane(&demo, "#tab-phone").await?;
    until(&browser, "return document.querySelectorAll('#phone [name=to] option').length === 2").await?;
    browser.click("#call").await?;
    browser.shows("#heard", "For technical help press 1.").await?;
    browser.click(".keys [data-key='1']").await?;
    browser.shows("#heard", "Please describe your concern after the tone").await?;
    browser.shows("#call-state", "Recording").await?;
    browser.write("#phone [name=words]", "The <b>lamp</b> is broken.").await?;
    browser.click("#done").await?;
    browser.shows("#heard", "Your reference is").await?;
    browser.shows("#heard", "the call is over").await?;
    let digits = browser
        .run("return document.querySelector('#heard').innerText.split('Your reference is')[1].split('.')[0].replace(/[^0-9]/g, '')")
        .await?;
    let digits = digits.as_str().context("digits")?.to_owned();
    assert_eq!(digits.len(), 10, "{digits}");
    let told = "return document.querySelector('#list .reference')?.innerText.replaceAll(' ', '')";
    until(&browser, &format!("{told} === '{digits}'")).await?;
    browser.shows("#list .ticket .chips", "queue technical").await?;
    browser.shows("#list .ticket .chips", "told on the spot").await?;
    browser.shows("#list .ticket", "the recording, ").await?;
    // What the gateway kept is the sound that the carrier handed out, and can be listened to here.
    let load =
        "const sound = document.querySelector('#list .files audio'); sound.preload = 'auto'; sound.load()";
    until(&browser, "return document.querySelector('#list .files audio') !== null").await?;
    browser.run(load).await?;
    until(&browser, "return document.querySelector('#list .files audio').duration >= 1").await?;
    browser.click("#phone .wire summary").await?;
    browser.shows("#phone .wire", "POST /hooks/hotline/turn/1").await?;
    browser.shows("#phone .wire", "GET Recordings/").await?;
    assert_no_complaints(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_a_caller_who_agrees_gets_the_reference_and_the_answer_as_text_messages() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let demo = demo().await?;
    let browser = pane(&demo, "#tab-phone").await?;
    until(&browser, "return document.querySelectorAll('#phone [name=to] option').length === 2").await?;
    browser.run("document.querySelector('#phone [name=to]').selectedIndex = 1").await?;
    browser.click("#call").await?;
    browser.shows("#heard", "enter your order number").await?;
    // The keyboard's own keys are the keypad's, once it has the focus.
    browser.run("document.querySelector(\".keys [data-key='1']\").focus()").await?;
    for digit in ["4", "7", "1", "1", "#"] {
        browser.press(&[digit]).await?;
    }
    browser.shows("#heard", "In a few words").await?;
    browser.write("#phone [name=words]", "A late parcel").await?;
    browser.click("#say").await?;
    browser.shows("#heard", "Tell us more").await?;
    browser.write("#phone [name=words]", "It was promised for Monday.").await?;
    browser.click("#done").await?;
    browser.shows("#heard", "Press 1 if we may send you text messages").await?;
    browser.click(".keys [data-key='1']").await?;
    browser.shows("#heard", "the call is over").await?;
    browser.shows("#heard .text", "+14155550134").await?;
    browser.shows("#list .ticket", "order: 4711").await?;
    browser.shows("#list .ticket", "concern: A late parcel").await?;
    browser.shows("#list .ticket", "It was promised for Monday.").await?;
    browser.write("#list .ticket .answer textarea", "It leaves today.").await?;
    browser.click("#list .ticket .answer button").await?;
    browser.shows("#heard .text:last-child", "It leaves today.").await?;
    assert_no_complaints(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_caller_who_hangs_up_in_the_midst_is_a_ticket_too() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let demo = demo().await?;
    let browser = pane(&demo, "#tab-phone").await?;
    until(&browser, "return document.querySelectorAll('#phone [name=to] option').length === 2").await?;
    browser.click("#phone [name=withheld]").await?;
    browser.click("#call").await?;
    browser.shows("#heard", "For technical help press 1.").await?;
    browser.click("#hangup").await?;
    browser.shows("#call-state", "Ready to call").await?;
    browser.shows("#list .ticket", "the caller hung up early").await?;
    browser.shows("#list .ticket", "call-").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_a_newcomer_writes_in_a_messenger_and_reads_the_answer_there() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let demo = demo().await?;
    let browser = pane(&demo, "#tab-social").await?;
    browser.click("#social .wire summary").await?;
    for (network, at) in [("messenger", 0), ("whatsapp", 1)] {
        let choose = format!(
            "const list = document.querySelector('#social [name=network]'); list.selectedIndex = {at}; \
             list.dispatchEvent(new Event('input'))"
        );
        browser.run(&choose).await?;
        browser.write("#social [name=text]", "My <b>parcel</b> is crushed").await?;
        browser.click("#social .primary").await?;
        browser.shows("#list .ticket h3", "social: My <b>parcel</b> is crushed").await?;
        browser.shows("#thread .mine", "taken by the gateway").await?;
        browser.shows("#thread .theirs", "reference").await?;
        browser.shows("#list .ticket", "Ann Lee").await?;
        browser.write("#list .ticket .answer textarea", "A new one is on its way.").await?;
        browser.click("#list .ticket .answer button").await?;
        browser.shows("#thread .theirs:last-child", "A new one is on its way.").await?;
        // The network tells that it arrived and was read, and the gateway tells the core.
        browser.shows("#thread .theirs:last-child", "read").await?;
        browser.shows("#list .ticket", "your answer is delivered").await?;
        browser.shows("#social [data-wire=social]", &format!("POST /hooks/{network}")).await?;
    }
    let spilt = browser.run("return document.querySelectorAll('#thread b, #list .words b').length").await?;
    assert_eq!(spilt, 0, "t33: what a customer wrote is shown as text, never as markup");
    assert_no_complaints(&browser).await?;
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
    let dark = browser.run("return matchMedia('(prefers-color-scheme: dark)').matches").await?;
    let ground = browser.run("return getComputedStyle(document.body).backgroundColor").await?;
    assert_eq!((dark, ground.as_str()), (true.into(), Some("rgb(20, 23, 28)")));
    let nameless = "return [...document.querySelectorAll('input, textarea, button, select')].filter(e => \
                    !(e.labels?.length || e.ariaLabel || e.textContent.trim())).length";
    assert_eq!(browser.run(nameless).await?, 0, "every control has a name");
    let unreachable = "return [...document.querySelectorAll('input, textarea, button, select, summary, a')].filter(e => e.tabIndex < 0).length";
    assert_eq!(browser.run(unreachable).await?, 0, "every control is reached by the keyboard");
    let small = "return [...document.querySelectorAll('input:not([type=checkbox]), textarea, button, select, summary, .check')] \
                 .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 43.9).map((e) => e.outerHTML)";
    browser.run("document.querySelector('#tab-mail').focus()").await?;
    for (at, pane) in ["mail", "chat", "phone", "social"].into_iter().enumerate() {
        if at > 0 {
            browser.press(&[key::RIGHT]).await?;
        }
        let open = "return document.querySelector('[role=tabpanel]:not([hidden])').id + ' ' + document.activeElement.id";
        assert_eq!(browser.run(open).await?, format!("pane-{pane} tab-{pane}"));
        for width in [390, 320] {
            let size =
                serde_json::json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": true});
            browser.devtools("Emulation.setDeviceMetricsOverride", size).await?;
            let wide = browser
                .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await?;
            assert_eq!(wide, 0, "{pane}: nothing is cut off at the side at {width}");
            let small = browser.run(small).await?;
            assert_eq!(small, serde_json::json!([]), "{pane}: everything is large enough for a finger");
        }
    }
    browser.close().await
}
