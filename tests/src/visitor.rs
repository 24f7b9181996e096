//! A visitor of a website with the chat widget, in a real browser: looks, opens, writes with real keys.

use crate::browser::{Browser, key};
use crate::{House, Plan, Store, Website, needs};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Finds the widget; every look begins with it.
const ROOT: &str = "const host = document.querySelector('lodge-chat'), root = host?.shadowRoot, \
                    chat = window.LodgeChat, one = (s) => root?.querySelector(s), \
                    all = (s) => [...(root?.querySelectorAll(s) ?? [])];";

/// Somebody in front of a browser.
pub struct Visitor {
    /// The browser.
    pub browser: Browser,
    site: Website,
}

/// A house with a chat inbox `website` (further keys of it in `chat`), and `extra` lines, for a site that nobody serves yet;
/// `None` where a program is missing.
///
/// # Errors
/// Where anything cannot be started.
pub async fn house(chat: &str, extra: &str) -> Result<Option<(House, Website)>> {
    if !needs::has(&["chromedriver", "chromium"]) {
        return Ok(None);
    }
    let site = Website::plan()?;
    let inbox = format!("[inbox.website.chat]\norigins = [\"{}\"]\n{chat}{extra}", site.origin());
    let Some(house) = House::build(Plan::on(Store::Embedded).extra(&inbox)).await? else { return Ok(None) };
    Ok(Some((house, site)))
}

impl Visitor {
    /// Opens a browser whose profile lies in `folder`; no page yet.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn come(folder: &Path, site: &Website) -> Result<Self> {
        Ok(Self { browser: Browser::open(folder, (1000, 800), false).await?, site: site.clone() })
    }

    /// Loads the page at `path` of the website, and waits for the widget.
    ///
    /// # Errors
    /// Where it does not come.
    pub async fn visit(&self, path: &str) -> Result<()> {
        self.browser.go(&format!("{}{path}", self.site.origin())).await?;
        self.until("the widget", "return !!chat && !!one('.launcher')").await
    }

    /// Takes the network away from the page, or gives it back: the browser knows, and tells the page.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn offline(&self, is_offline: bool) -> Result<()> {
        self.browser.devtools("Network.enable", json!({})).await?;
        let conditions =
            json!({"offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.browser.devtools("Network.emulateNetworkConditions", conditions).await.map(|_| ())
    }

    /// What a function body returns, which finds the widget's shadow `root`, its element `host`, its voice `chat`, and by
    /// CSS what is in it: `one(selector)`, `all(selector)`.
    ///
    /// # Errors
    /// Where it throws.
    pub async fn look(&self, script: &str) -> Result<Value> {
        self.browser.run(&format!("{ROOT} {script}")).await
    }

    /// Waits until `script` is true in the page.
    ///
    /// # Errors
    /// Where it is not within 30 s; tells what the widget says instead.
    pub async fn until(&self, what: &str, script: &str) -> Result<()> {
        for _ in 0..300 {
            if self.look(script).await? == Value::Bool(true) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seen = self.look("return root ? one('.panel')?.innerText ?? '' : 'no widget'").await?;
        bail!("not within 30 s: {what}; the widget says {seen}")
    }

    /// Opens the panel as a page's own button would.
    ///
    /// # Errors
    /// Where there is nothing to write into.
    pub async fn open(&self) -> Result<()> {
        self.look("chat.open()").await?;
        self.until("something to write into", "return all('textarea').some((e) => e.checkVisibility())").await
    }

    /// Types `text` into what has the focus.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn types(&self, text: &str) -> Result<()> {
        self.browser.devtools("Input.insertText", json!({"text": text})).await.map(|_| ())
    }

    /// Writes `text` into the composer and sends it with Enter.
    ///
    /// # Errors
    /// Where there is nothing to write into.
    pub async fn write(&self, text: &str) -> Result<()> {
        self.until("a field to write into", "return !!one('.composer textarea')?.checkVisibility()").await?;
        self.look("one('.composer textarea').focus()").await?;
        self.types(text).await?;
        self.browser.press(&[key::ENTER]).await
    }

    /// Waits until the panel shows `text`.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn sees(&self, text: &str) -> Result<()> {
        let script = format!("return (one('.panel')?.innerText ?? '').includes({})", json!(text));
        self.until(text, &script).await
    }

    /// The texts of the log's bubbles, in order.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn log(&self) -> Result<Vec<String>> {
        let texts = self.look("return all('.message .text').map((e) => e.textContent)").await?;
        let texts = texts.as_array().context("texts")?;
        Ok(texts.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Waits until the log shows `texts` among what is said by people, in this order and each once.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn reads(&self, texts: &[&str]) -> Result<()> {
        let script = format!(
            "return JSON.stringify(all('.message:not(.system) .text').map((e) => e.textContent)) === JSON.stringify({})",
            json!(texts)
        );
        self.until(&format!("exactly {texts:?}"), &script).await
    }

    /// Hands `file` to the composer, as its own button does, and waits until it is uploaded.
    ///
    /// # Errors
    /// Where it is not taken.
    pub async fn attach(&self, file: &Path) -> Result<()> {
        let picker = "document.querySelector('lodge-chat').shadowRoot.querySelector('input[type=file]')";
        let found = self.browser.devtools("Runtime.evaluate", json!({"expression": picker})).await?;
        let id = &found["result"]["objectId"];
        self.browser.devtools("DOM.setFileInputFiles", json!({"files": [file], "objectId": id})).await?;
        self.until(
            "the file is uploaded",
            "return all('.chip').length > 0 && all('.progress').every((e) => e.hidden)",
        )
        .await
    }
}
