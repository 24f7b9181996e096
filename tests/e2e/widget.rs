//! The chat widget in a real browser, on a website of its own: what a visitor writes is a ticket, and neither a lost gateway
//! nor a reload loses or doubles a word (H01, H02).

use anyhow::{Context, Result, bail};
use lodge_e2e::browser::Browser;
use lodge_e2e::{House, Plan, Store, needs, ports};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Serves one page that holds the widget of `gateway`, until the test ends.
async fn website(port: u16, gateway: &str) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><link rel=icon href='data:,'><title>Shop</title>\
         <h1>A shop</h1><script src=\"{gateway}/widget.js\" data-inbox=\"website\"></script></html>"
    );
    let policy = format!(
        "default-src 'none'; script-src {gateway}; connect-src {gateway} {}; img-src data: {gateway}; \
         require-trusted-types-for 'script'",
        gateway.replacen("http", "ws", 1)
    );
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _read = socket.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-security-policy: {policy}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{page}",
                page.len()
            );
            let _written = socket.write_all(answer.as_bytes()).await;
        }
    });
    Ok(())
}

const ROOT: &str = "const root = document.querySelector('lodge-chat')?.shadowRoot;";

/// Waits until `script` is true in the page.
async fn until(browser: &Browser, what: &str, script: &str) -> Result<()> {
    for _ in 0..300 {
        if browser.run(&format!("{ROOT} {script}")).await? == Value::Bool(true) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = browser.run(&format!("{ROOT} return root ? root.textContent : 'no widget'")).await?;
    bail!("not within 30 s: {what}; the widget says {seen}")
}

/// Writes into the widget as a person does, and sends with the Enter key.
async fn write(browser: &Browser, text: &str) -> Result<()> {
    until(browser, "a field to write into", "return !!root?.querySelector('textarea')").await?;
    let script = format!(
        "{ROOT} const field = root.querySelector('textarea'); field.focus(); field.value = {text:?}; \
         field.dispatchEvent(new InputEvent('input', {{bubbles: true, composed: true}})); \
         field.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, cancelable: true, composed: true}}));"
    );
    browser.run(&script).await.map(|_| ())
}

fn shows(text: &str) -> String {
    format!("return (root?.textContent || '').includes({text:?})")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_a_visitor_writes_through_a_lost_gateway_and_a_reload() -> Result<()> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(());
    }
    let port = ports::free()?;
    let inbox = format!("[inbox.website.chat]\norigins = [\"http://127.0.0.1:{port}\"]\n");
    let Some(house) = House::build(Plan::on(Store::Embedded).extra(&inbox)).await? else { return Ok(()) };
    let gateway = house.run().await?;
    website(port, &house.public()).await?;
    let browser = Browser::open(house.folder(), (1000, 800), false).await?;
    browser.go(&format!("http://127.0.0.1:{port}/")).await?;
    until(&browser, "the widget's voice", "return !!window.LodgeChat").await?;
    browser.run("window.LodgeChat.open()").await?;
    write(&browser, "Where is my lamp?").await?;
    until(&browser, "the acknowledgment", &shows("Your reference is")).await?;
    house.exactly(1, 20).await?;
    gateway.kill()?;
    write(&browser, "Are you still there?").await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _gateway = house.run().await?;
    house.exactly(2, 90).await?;
    let contacts = house.core.contacts();
    let first = contacts.first().context("a contact")?;
    let reference = first["ticket"]["reference"].as_str().context("a reference")?.to_owned();
    assert!(contacts.iter().all(|contact| contact["ticket"]["reference"] == first["ticket"]["reference"]));
    assert_eq!(house.desk()?.reply(&reference, "We are <b>here</b>.", "k1").await?.status, 202);
    until(&browser, "the agent's answer", &shows("We are <b>here</b>.")).await?;
    browser.go(&format!("http://127.0.0.1:{port}/")).await?;
    until(&browser, "the widget's voice", "return !!window.LodgeChat").await?;
    browser.run("window.LodgeChat.open()").await?;
    for text in ["Where is my lamp?", "Are you still there?", "We are <b>here</b>."] {
        until(&browser, text, &shows(text)).await?;
    }
    let twice = "return root.textContent.split('Are you still there?').length === 2";
    until(&browser, "each word once", twice).await?;
    house.exactly(2, 5).await?;
    browser.close().await
}
