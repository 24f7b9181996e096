//! A page's messages: forged ones are refused, a batch is one conversation however often it is told, the acknowledgment and
//! the agent's words go back by the provider, and its receipts come home (G01, D02, F06, T13, T16).

use crate::support::{assert_no_gaps, ticket};
use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use lodge_e2e::provider::Provider;
use lodge_e2e::{House, Plan, Store};
use reqwest::StatusCode;
use serde_json::{Value, json};

on_both_stores!(g01_a_page_in_messenger);

const SECRET: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

fn settings(provider: &Provider) -> String {
    format!(
        "[inbox.page.social.messenger]\napp_secret = \"file:app-secret\"\nverify_token = \"file:verify\"\n\
         access_token = \"file:access\"\npage_id = \"10\"\napi_base = \"{}\"\n",
        provider.url()
    )
}

fn body(items: &[Value]) -> String {
    let items: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut item = item.clone();
            item["sender"] = json!({"id": "71"});
            item["recipient"] = json!({"id": "10"});
            item["timestamp"] = json!(lodge_e2e::clock::now().as_millisecond());
            item
        })
        .collect();
    json!({"object": "page", "entry": [{"id": "10", "time": 1, "messaging": items}]}).to_string()
}

async fn post(house: &House, body: &str, secret: &str) -> Result<StatusCode> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = format!("sha256={}", HEXLOWER.encode(hmac::sign(&key, body.as_bytes()).as_ref()));
    let request = reqwest::Client::new()
        .post(format!("{}/hooks/page", house.public()))
        .header("content-type", "application/json")
        .header("x-hub-signature-256", signature)
        .body(body.to_owned());
    Ok(request.send().await?.status())
}

async fn g01_a_page_in_messenger(store: Store) -> Result<()> {
    let provider = Provider::start().await?;
    let Some(house) = House::build(Plan::on(store).extra(&settings(&provider))).await? else { return Ok(()) };
    for (name, value) in [("app-secret", SECRET), ("verify", "verify-7731"), ("access", "access-canary")] {
        std::fs::write(house.folder().join(name), value)?;
    }
    let gateway = house.run().await?;
    handshake(&house).await?;

    let batch = body(&[
        json!({"message": {"mid": "m_1", "text": "My parcel is crushed 😡"}}),
        json!({"message": {"mid": "m_2", "text": "and wet"}}),
    ]);
    assert_eq!(post(&house, &batch, "another secret").await?, StatusCode::UNAUTHORIZED);
    let copies = (0..40).map(|_| post(&house, &batch, SECRET)).collect::<Vec<_>>();
    for status in futures_join(copies).await? {
        assert_eq!(status, StatusCode::OK);
    }
    house.exactly(2, 20).await?;
    let contacts = house.core.contacts();
    let (first, second) = (&contacts[0], &contacts[1]);
    assert_eq!((&first["channel"], &first["provider"]), (&json!("social"), &json!("messenger")));
    assert_eq!((&first["from"]["handle"], &first["from"]["name"]), (&json!("71"), &json!("Ann Lee")));
    assert_eq!(ticket(first, "conversation"), ticket(second, "conversation"));
    assert!(first["details"]["window_ends_at"].is_string() && first["details"]["public"] == json!(false));

    house.until("the acknowledgment", 20, || !provider.sent().is_empty()).await?;
    let acknowledgment = provider.sent()[0]["message"]["text"].to_string();
    let reference = ticket(first, "reference").to_owned();
    let grouped: String = acknowledgment.chars().filter(char::is_ascii_digit).collect();
    assert!(grouped.contains(&reference), "{acknowledgment}");

    let heard = house.desk()?.reply(&reference, "A new one is on its way", "k1").await?;
    let id = heard.body["id"].as_str().context("the reply's id")?.to_owned();
    house.until("the reply", 20, || provider.sent().len() == 2).await?;
    let sent = &provider.sent()[1];
    assert_eq!(sent["message"], json!({"text": "A new one is on its way", "metadata": id}));
    let receipts = body(&[
        json!({"message_edit": {"mid": "m_2", "text": "and very wet", "num_edit": 1}}),
        json!({"read": {"watermark": lodge_e2e::clock::now().as_millisecond() + 60_000}}),
    ]);
    assert_eq!(post(&house, &receipts, SECRET).await?, StatusCode::OK);
    let delivered = || {
        let updates = house.core.events_of("reply.updated");
        updates.iter().any(|event| event["reply"]["state"] == json!("delivered"))
    };
    house.until("the reply is read", 20, delivered).await?;
    let edited = || house.core.events_of("contact.supplemented").iter().any(|one| one["of"] == second["id"]);
    house.until("the edit", 20, edited).await?;

    // Told again after a crash: known.
    gateway.kill()?;
    let _gateway = house.run().await?;
    assert_eq!(post(&house, &batch, SECRET).await?, StatusCode::OK);
    house.exactly(2, 10).await?;
    assert_eq!(provider.sent().len(), 2, "nothing is said twice");
    assert!(!house.log_text().contains("access-canary") && !house.log_text().contains(SECRET));
    assert_no_gaps(&house);
    Ok(())
}

async fn handshake(house: &House) -> Result<()> {
    let ask = async |token: &str| -> Result<(StatusCode, String)> {
        let query = format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
        let response = reqwest::get(format!("{}/hooks/page?{query}", house.public())).await?;
        Ok((response.status(), response.text().await?))
    };
    assert_eq!(ask("verify-7731").await?, (StatusCode::OK, "1158201444".to_owned()));
    assert_eq!(ask("nope").await?, (StatusCode::FORBIDDEN, String::new()));
    Ok(())
}

/// All of them at once.
async fn futures_join<F>(all: Vec<F>) -> Result<Vec<StatusCode>>
where
    F: Future<Output = Result<StatusCode>>,
{
    let mut pinned: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        pinned.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(status) => {
                done.push(status);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pinned.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().collect()
}
