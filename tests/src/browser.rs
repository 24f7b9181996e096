//! A real browser: Debian's Chromium, driven through ChromeDriver (W3C WebDriver). Sees pages as a visitor does.

use crate::{needs, ports, process};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A browser window without a screen.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    session: String,
    // Ends the browser with it.
    _driver: process::Process,
}

/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser {
    /// Opens a window of `width` × `height`; profile and log lie in `folder`. `dark` asks pages for dark colours.
    ///
    /// # Errors
    /// Where the browser cannot be started.
    pub async fn open(folder: &Path, (width, height): (u32, u32), dark: bool) -> Result<Self> {
        let port = ports::free()?;
        let program = needs::find("chromedriver").context("find chromedriver")?;
        let mut command = Command::new(program);
        command.arg(format!("--port={port}"));
        let mut driver = process::Process::start(&mut command, &folder.join("chromedriver.log"))?;
        process::listening(&mut driver, port).await?;
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", folder.join("profile").display()),
        ];
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let browser = needs::find("chromium").context("find chromium")?;
        let options = json!({"binary": browser, "args": arguments});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        let base = format!("http://127.0.0.1:{port}/session");
        let answer: Value = http.post(&base).json(&wanted).send().await?.json().await?;
        let id = answer["value"]["sessionId"].as_str().with_context(|| format!("no session: {answer}"))?;
        Ok(Self { http, session: format!("{base}/{id}"), _driver: driver })
    }

    /// Goes to `url` and waits until the page has loaded.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn go(&self, url: &str) -> Result<()> {
        self.ask("url", json!({"url": url})).await.map(|_| ())
    }

    /// Clicks what `selector` (CSS) finds first.
    ///
    /// # Errors
    /// Where nothing is found, or it cannot be clicked.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.find(selector).await?;
        self.ask(&format!("element/{element}/click"), json!({})).await.map(|_| ())
    }

    /// Replaces what stands in the field `selector` finds first by `text`, key by key.
    ///
    /// # Errors
    /// Where nothing is found, or it takes no keys.
    pub async fn write(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.find(selector).await?;
        self.ask(&format!("element/{element}/clear"), json!({})).await?;
        self.ask(&format!("element/{element}/value"), json!({"text": text})).await.map(|_| ())
    }

    /// Runs a function body in the page; what it returns.
    ///
    /// # Errors
    /// Where it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.ask("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until the text that `selector` finds first contains `words`.
    ///
    /// # Errors
    /// Where it does not within 20 s; tells what stood there instead.
    pub async fn shows(&self, selector: &str, words: &str) -> Result<()> {
        let started = Instant::now();
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(selector));
        loop {
            let text = self.run(&script).await?;
            let text = text.as_str().unwrap_or_default();
            if text.contains(words) {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(20) {
                bail!("`{selector}` does not show `{words}` but: {text}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn find(&self, selector: &str) -> Result<String> {
        let found = self.ask("element", json!({"using": "css selector", "value": selector})).await?;
        Ok(found[ELEMENT].as_str().with_context(|| format!("`{selector}` finds nothing"))?.to_owned())
    }

    async fn ask(&self, path: &str, body: Value) -> Result<Value> {
        let response = self.http.post(format!("{}/{path}", self.session)).json(&body).send().await?;
        let is_good = response.status().is_success();
        let mut answer: Value = response.json().await?;
        if !is_good {
            bail!("the browser refuses {path}: {}", answer["value"]["message"]);
        }
        Ok(answer["value"].take())
    }

    /// Closes the window.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn close(self) -> Result<()> {
        self.http.delete(&self.session).send().await?;
        Ok(())
    }
}
