//! A company's website with the chat widget on its pages, under the strictest policy that the widget's own sign names. What
//! stands in a page's query becomes attributes of the script tag: `/lamps?inbox=website&language=ar` (and `integrity` itself).

use crate::ports;
use anyhow::Result;
use std::borrow::Cow;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A website, until the test ends.
#[derive(Clone, Debug)]
pub struct Website {
    port: u16,
}

impl Website {
    /// One whose address is known; nobody serves it yet.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn plan() -> Result<Self> {
        Ok(Self { port: ports::free()? })
    }

    /// Its origin, as a browser names it.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Serves pages with the widget that comes from `gateway`; pictures in messages come from `pictures`.
    ///
    /// # Errors
    /// Where somebody else took the port.
    pub async fn serve(&self, gateway: &str, pictures: &str) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        let socket = gateway.replacen("http", "ws", 1);
        let policy = format!(
            "default-src 'none'; script-src {gateway}; connect-src {gateway} {socket}; img-src data: {pictures}; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        let script = format!("{gateway}/widget.js");
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = vec![0; 8192];
                let read = socket.read(&mut request).await.unwrap_or_default();
                request.truncate(read);
                let page = page(&String::from_utf8_lossy(&request), &script);
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
}

/// The page that `request` asks for. What it asks with is the tests' own.
fn page(request: &str, script: &str) -> String {
    let target = request.split(' ').nth(1).unwrap_or("/");
    let asked = reqwest::Url::parse(&format!("http://shop{target}")).ok();
    let pairs = asked.iter().flat_map(|url| url.query_pairs());
    let attribute = |(name, value): (Cow<str>, Cow<str>)| match &*name {
        "integrity" => format!(" integrity=\"{value}\" crossorigin"),
        name => format!(" data-{name}=\"{value}\""),
    };
    let attributes: String = pairs.map(attribute).collect();
    let inbox = if target.contains("inbox=") { "" } else { " data-inbox=\"website\"" };
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\"><meta name=color-scheme content=\"light dark\">\
         <link rel=icon href='data:,'><title>Shop</title><h1>A shop</h1><p>{}</p>\
         <p><a href=\"/lamps\">Lamps</a> <button id=buy>Buy</button></p>\
         <script src=\"{script}\"{inbox}{attributes}></script></html>",
        "Things to buy, and more of them. ".repeat(12)
    )
}
