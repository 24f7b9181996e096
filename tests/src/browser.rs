//! A real browser: Debian's Chromium, driven through ChromeDriver (W3C WebDriver, and the DevTools protocol behind it). Sees
//! pages as a visitor does.

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
    driver: process::Process,
}

/// Keys without a letter, as WebDriver names them.
pub mod key {
    /// Tab.
    pub const TAB: &str = "\u{e004}";
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Shift, on the left.
    pub const SHIFT: &str = "\u{e008}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// The arrow to the right.
    pub const RIGHT: &str = "\u{e014}";
    /// The space bar.
    pub const SPACE: &str = " ";
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
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}
        }}});
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        let base = format!("http://127.0.0.1:{port}/session");
        let answer: Value = http.post(&base).json(&wanted).send().await?.json().await?;
        let id = answer["value"]["sessionId"].as_str().with_context(|| format!("no session: {answer}"))?;
        Ok(Self { http, session: format!("{base}/{id}"), driver })
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

    /// Holds `keys` down in their order, and lets go of them in the opposite one: real keys, to whatever has the focus.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn press(&self, keys: &[&str]) -> Result<()> {
        let down = keys.iter().map(|key| json!({"type": "keyDown", "value": key}));
        let up = keys.iter().rev().map(|key| json!({"type": "keyUp", "value": key}));
        let all: Vec<Value> = down.chain(up).collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": all}]});
        self.ask("actions", actions).await.map(|_| ())
    }

    /// A command of the DevTools protocol to the page at hand, such as `Page.captureScreenshot`; its answer.
    ///
    /// # Errors
    /// Where the browser refuses it.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        self.ask("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// Opens another tab of the same person and goes on in it; its handle.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn tab(&self) -> Result<String> {
        let made = self.ask("window/new", json!({"type": "tab"})).await?;
        let handle = made["handle"].as_str().context("a handle")?.to_owned();
        self.turn_to(&handle).await?;
        Ok(handle)
    }

    /// The handle of the tab at hand.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn at_hand(&self) -> Result<String> {
        let answer: Value = self.http.get(format!("{}/window", self.session)).send().await?.json().await?;
        Ok(answer["value"].as_str().context("a handle")?.to_owned())
    }

    /// Goes on in the tab `handle`, and brings it to the front.
    ///
    /// # Errors
    /// Where it is gone.
    pub async fn turn_to(&self, handle: &str) -> Result<()> {
        self.ask("window", json!({"handle": handle})).await?;
        self.devtools("Page.bringToFront", json!({})).await.map(|_| ())
    }

    /// What the browser wrote into its console since it was last asked, as `LEVEL source text`: refusals by a policy too.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn console(&self) -> Result<Vec<String>> {
        let entries = self.ask("se/log", json!({"type": "browser"})).await?;
        let word = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let line = |entry: &Value| {
            format!("{} {} {}", word(entry, "level"), word(entry, "source"), word(entry, "message"))
        };
        Ok(entries.as_array().into_iter().flatten().map(line).collect())
    }

    /// A picture of what can be seen, as the bytes of a PNG.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        let taken = self.devtools("Page.captureScreenshot", json!({"format": "png"})).await?;
        let data = taken["data"].as_str().context("a picture")?;
        data_encoding::BASE64.decode(data.as_bytes()).context("decode the picture")
    }

    /// The ids of the browser's own processes, the driver's not.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let mut all = vec![self.driver.id()];
        let mut at = 0;
        while let Some(parent) = all.get(at) {
            // A process that ended a moment ago has no threads, and a thread no children.
            let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
            for thread in threads {
                let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
            at += 1;
        }
        if all.len() == 1 {
            bail!("the browser has no process");
        }
        Ok(all.split_off(1))
    }

    /// Sends the signal `name` to every process of the browser, so that it stands still (`STOP`) and goes on (`CONT`) as a
    /// laptop does whose lid is closed.
    ///
    /// # Errors
    /// Where there is none.
    pub fn signal(&self, name: &str) -> Result<()> {
        let ids: Vec<String> = self.processes()?.iter().map(u32::to_string).collect();
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", ids.join(" "))]).status()?;
        if !status.success() {
            bail!("the browser cannot be signalled");
        }
        Ok(())
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

impl Drop for Browser {
    /// A scenario that fails asks for no end: a browser whose driver is killed would run on for ever.
    fn drop(&mut self) {
        let _gone = self.signal("KILL");
    }
}
