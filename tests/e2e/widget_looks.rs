//! How the chat widget looks, in every state and under every condition that a visitor may bring: contrast, sizes, edges and
//! mirroring are measured in the browser (`widget_looks.js`). With `E2E_PICTURES=FOLDER` what is measured is also kept as
//! pictures there, for a person to look at.

use anyhow::{Context, Result};
use lodge_e2e::browser::key::{ENTER, TAB};
use lodge_e2e::{House, Visitor, Wire, needs, visitor};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// What is wrong with what can be seen, as a list of texts.
pub(crate) const MEASURE: &str = include_str!("widget_looks.js");

/// What a visitor brings.
struct Look {
    name: &'static str,
    /// Of the window, in CSS pixels, and how many dots one of them has.
    size: (u32, u32, u32),
    language: &'static str,
    /// Features of media queries.
    media: &'static [(&'static str, &'static str)],
    /// Further attributes of the script tag, as a query.
    more: &'static str,
}

const DESKTOP: (u32, u32, u32) = (1000, 800, 1);
const PHONE: (u32, u32, u32) = (390, 844, 2);
const NARROW: (u32, u32, u32) = (320, 640, 2);

const LOOKS: [Look; 16] = [
    Look { name: "light", size: DESKTOP, language: "en", media: &[], more: "" },
    Look {
        name: "dark",
        size: DESKTOP,
        language: "en",
        media: &[("prefers-color-scheme", "dark")],
        more: "",
    },
    Look { name: "phone", size: PHONE, language: "en", media: &[], more: "" },
    Look { name: "narrow", size: NARROW, language: "en", media: &[], more: "" },
    // 1280 by 800 at 200 % and 400 % (WCAG 1.4.10).
    Look { name: "zoom-200", size: (640, 400, 2), language: "en", media: &[], more: "" },
    Look {
        name: "contrast",
        size: DESKTOP,
        language: "en",
        media: &[("prefers-contrast", "more")],
        more: "",
    },
    Look {
        name: "forced",
        size: DESKTOP,
        language: "en",
        media: &[("forced-colors", "active"), ("prefers-color-scheme", "dark")],
        more: "",
    },
    Look {
        name: "phone-dark-de",
        size: PHONE,
        language: "de",
        media: &[("prefers-color-scheme", "dark")],
        more: "",
    },
    Look { name: "narrow-de", size: NARROW, language: "de", media: &[], more: "" },
    Look { name: "zoom-400", size: (320, 200, 4), language: "de", media: &[], more: "" },
    Look { name: "narrow-ru", size: NARROW, language: "ru", media: &[], more: "" },
    Look { name: "ar", size: DESKTOP, language: "ar", media: &[], more: "" },
    Look { name: "phone-ar", size: PHONE, language: "ar", media: &[], more: "" },
    Look {
        name: "he-dark",
        size: DESKTOP,
        language: "he",
        media: &[("prefers-color-scheme", "dark")],
        more: "",
    },
    Look { name: "narrow-he", size: NARROW, language: "he", media: &[], more: "" },
    // Neither white nor black is easy to read on it.
    Look {
        name: "tomato",
        size: DESKTOP,
        language: "fr",
        media: &[],
        more: "&color=tomato&position=start&theme=dark",
    },
];

/// Where a lost line is looked at even when nobody wants pictures: it takes seconds each time.
const LOST: [&str; 5] = ["light", "phone-dark-de", "narrow-ru", "phone-ar", "zoom-400"];

/// What is said in the conversation that is shown: by the visitor, then by somebody there.
fn words(language: &str) -> (&'static str, &'static str) {
    match language {
        "ar" => (
            "مرحبا، أين مصباحي؟ رقم الطلب 4711.",
            "أهلا آن! غادر المستودع هذا الصباح: https://www.acme.example/track/4711",
        ),
        "he" => (
            "שלום, איפה המנורה שלי? הזמנה 4711.",
            "היי אן! היא יצאה מהמחסן הבוקר: https://www.acme.example/track/4711",
        ),
        "de" => (
            "Guten Tag, wo bleibt meine Schreibtischbeleuchtung? Bestellung 4711.",
            "Hallo Ann! Sie hat heute Morgen das Zentrallager verlassen. Sendungsverfolgungsseite: https://www.acme.example/sendungsverfolgung/4711-abcdefghijklmnopqrstuvwxyz",
        ),
        "ru" => (
            "Здравствуйте, где моя лампа? Заказ 4711.",
            "Здравствуйте! Она покинула склад сегодня утром: https://www.acme.example/track/4711",
        ),
        _ => (
            "Hello, where is my lamp? Order 4711.",
            "Hi Ann! It left our warehouse this morning. Follow it here: https://www.acme.example/track/4711",
        ),
    }
}

/// A drawing that the browser makes: a lamp in the dark, as the bytes of a PNG.
const LAMP: &str = "const canvas = Object.assign(document.createElement('canvas'), {width: 240, height: 160}); \
    const pen = canvas.getContext('2d'); const glow = pen.createRadialGradient(120, 70, 5, 120, 70, 120); \
    glow.addColorStop(0, '#ffd080'); glow.addColorStop(1, '#2b3244'); pen.fillStyle = glow; pen.fillRect(0, 0, 240, 160); \
    pen.fillStyle = '#20242e'; pen.fillRect(117, 80, 6, 60); pen.fillRect(90, 138, 60, 8); pen.fillStyle = '#f4be5c'; \
    pen.beginPath(); pen.moveTo(100, 30); pen.lineTo(140, 30); pen.lineTo(165, 84); pen.lineTo(75, 84); pen.fill(); \
    return canvas.toDataURL('image/png').split(',')[1]";

/// Everything that is wrong, with where; and the pictures' folder.
struct Gallery {
    folder: Option<PathBuf>,
    wrong: Vec<String>,
}

impl Gallery {
    /// Whether somebody wants the pictures.
    fn is_kept(&self) -> bool {
        self.folder.is_some()
    }

    async fn keep(&mut self, ann: &Visitor, look: &Look, state: &str) -> Result<()> {
        // What moves has come to rest.
        ann.look("root.getAnimations({subtree: true}).forEach((one) => one.effect.getTiming().iterations === Infinity || one.finish())").await?;
        // What the log lost of its height it makes up for in the frame after; on a busy machine that comes late.
        let there = "const log = one('.log');
            return !log?.checkVisibility() || log.scrollHeight - log.clientHeight - log.scrollTop <= 2";
        for _ in 0..20 {
            if ann.look(there).await? == json!(true) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if let Some(folder) = &self.folder {
            std::fs::write(folder.join(format!("{state}-{}.png", look.name)), ann.browser.picture().await?)?;
        }
        let found = ann.look(MEASURE).await?;
        // The system's own colours are the visitor's affair.
        let is_forced = look.name == "forced";
        let said = found.as_array().into_iter().flatten().filter_map(Value::as_str);
        self.wrong.extend(
            said.filter(|text| !(is_forced && text.contains(":1")))
                .map(|text| format!("{state}, {}: {text}", look.name)),
        );
        Ok(())
    }
}

async fn dress(ann: &Visitor, look: &Look) -> Result<()> {
    let (width, height, dots) = look.size;
    let is_small = width < 640;
    let metrics = json!({"width": width, "height": height, "deviceScaleFactor": dots, "mobile": is_small});
    ann.browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
    let plain =
        [("prefers-color-scheme", "light"), ("forced-colors", "none"), ("prefers-contrast", "no-preference")];
    let value = |name: &str, usual: &str| {
        look.media
            .iter()
            .find(|(feature, _)| *feature == name)
            .map_or_else(|| usual.to_owned(), |(_, value)| (*value).to_owned())
    };
    let features: Vec<Value> =
        plain.iter().map(|(name, usual)| json!({"name": name, "value": value(name, usual)})).collect();
    ann.browser.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await.map(|_| ())
}

/// A conversation with both sides, a picture, a file and a word of the house.
async fn talk(house: &House, ann: &Visitor, language: &str) -> Result<()> {
    let (mine, theirs) = words(language);
    ann.open().await?;
    let before = house.core.contacts().len();
    let drawn = ann.look(LAMP).await?;
    let lamp = data_encoding::BASE64.decode(drawn.as_str().context("a drawing")?.as_bytes())?;
    let paper = "Invoice 4711, for one lamp.\n".repeat(120).into_bytes();
    for (name, bytes) in
        [("lamp.png", lamp), ("Rechnung-2026-11-mit-einem-langen-Dateinamen-ohne-Ende.txt", paper)]
    {
        let file = house.folder().join(name);
        std::fs::write(&file, bytes)?;
        ann.attach(&file).await?;
    }
    ann.write(mine).await?;
    house.until("the contact", 20, || house.core.contacts().len() > before).await?;
    let contacts = house.core.contacts();
    let last = contacts.last().context("a contact")?;
    let path =
        format!("/v1/conversations/{}/replies", last["ticket"]["reference"].as_str().context("a reference")?);
    let body = json!({"text": theirs, "author": "Mara"});
    let key = format!("looks-{language}");
    assert_eq!(house.desk()?.post(&path, &body, &[("idempotency-key", &key)]).await?.status, 202);
    ann.until("the answer", "return !!one('.message.agent')").await
}

/// Every state under one look.
async fn show(house: &House, wire: &Wire, ann: &Visitor, look: &Look, gallery: &mut Gallery) -> Result<()> {
    let query = format!("language={}{}", look.language, look.more);
    ann.visit(&format!("/?{query}")).await?;
    ann.look("chat.close(); document.activeElement.blur()").await?;
    gallery.keep(ann, look, "1-closed").await?;
    let contacts = house.core.contacts();
    let talk = contacts.iter().rfind(|one| one["inbox"]["name"] == "website" || one["inbox"] == "website");
    let reference =
        talk.context("a conversation")?["ticket"]["reference"].as_str().context("a reference")?.to_owned();
    assert_eq!(
        house.desk()?.reply(&reference, "One more thing.", &format!("more-{}", look.name)).await?.status,
        202
    );
    ann.until("a badge", "return one('.badge').checkVisibility()").await?;
    gallery.keep(ann, look, "1-unread").await?;
    ann.open().await?;
    ann.until("all of it", "return all('.message').length >= 3 && all('.pictured').length === 1").await?;
    gallery.keep(ann, look, "3-conversation").await?;
    ann.look("one('.composer textarea').focus()").await?;
    ann.types(&"My lamp is a very bright one. ".repeat(4)).await?;
    ann.browser.press(&[TAB]).await?;
    ann.look("one('.options').click()").await?;
    gallery.keep(ann, look, "4-menu").await?;
    ann.look("one('.menu button').click()").await?;
    gallery.keep(ann, look, "5-end").await?;
    ann.look("one('.quiet').click()").await?;
    if !gallery.is_kept() && !LOST.contains(&look.name) {
        return forms(ann, look, gallery).await;
    }
    let before = house.core.contacts().len();
    wire.cut();
    ann.browser.press(&[ENTER]).await?;
    ann.until(
        "the loss",
        "return one('.notice').checkVisibility() && all('[data-state=waiting]').length === 1",
    )
    .await?;
    gallery.keep(ann, look, "7-lost").await?;
    wire.mend();
    ann.look("one('.notice .link').click()").await?;
    house.until("the words", 60, || house.core.contacts().len() > before).await?;
    forms(ann, look, gallery).await
}

/// The two forms: before a conversation, and while nobody is there.
async fn forms(ann: &Visitor, look: &Look, gallery: &mut Gallery) -> Result<()> {
    let query = format!("language={}{}", look.language, look.more);
    ann.visit(&format!("/?inbox=asks&{query}")).await?;
    ann.open().await?;
    ann.until("the form", "return one('.form').checkVisibility()").await?;
    gallery.keep(ann, look, "2-form").await?;
    ann.look("one('.form .primary').click()").await?;
    gallery.keep(ann, look, "2-form-wrong").await?;
    ann.visit(&format!("/?inbox=night&{query}")).await?;
    ann.open().await?;
    ann.until("the hours", "return !one('.notice').hidden && one('.form').checkVisibility()").await?;
    gallery.keep(ann, look, "6-hours").await?;
    ann.look("sessionStorage.clear()").await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_can_be_read_reached_and_fits() -> Result<()> {
    let folder = needs::variable("E2E_PICTURES").map(PathBuf::from);
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder)?;
    }
    let Some((mut house, site)) = visitor::house("sessions_per_address = 1000\n", "").await? else {
        return Ok(());
    };
    let others = format!(
        "[inbox.asks.chat]\norigins = [{0:?}]\nask = [\"name\", \"email\"]\nsessions_per_address = 1000\n\
         [inbox.night.chat]\norigins = [{0:?}]\nhours = \"rare\"\ncontinue_by = \"support\"\nsessions_per_address = 1000\n\
         [hours.rare]\ntimezone = \"Europe/Berlin\"\ntuesday = [\"04:00-04:01\"]\n",
        site.origin()
    );
    let wire = Wire::to(&house.public()).await?;
    house.plan.extra.push_str(&others);
    house.plan.public_url = Some(wire.url());
    house.configure()?;
    let _gateway = house.run().await?;
    site.serve(&wire.url(), &wire.url()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    let mut gallery = Gallery { folder, wrong: Vec::new() };
    let mut spoken = "";
    for look in &LOOKS {
        dress(&ann, look).await?;
        if look.language != spoken {
            // Somebody else, who speaks it.
            ann.visit(&format!("/?language={}", look.language)).await?;
            ann.look("chat.forget(); localStorage.clear(); sessionStorage.clear()").await?;
            ann.visit(&format!("/?language={}", look.language)).await?;
            talk(&house, &ann, look.language).await?;
            spoken = look.language;
        }
        show(&house, &wire, &ann, look, &mut gallery).await?;
    }
    assert!(gallery.wrong.is_empty(), "{:#?}", gallery.wrong);
    ann.browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moves_stands_still_for_who_asks_for_it() -> Result<()> {
    let Some((house, site)) = visitor::house("", "").await? else { return Ok(()) };
    let _gateway = house.run().await?;
    site.serve(&house.public(), &house.public()).await?;
    let ann = Visitor::come(house.folder(), &site).await?;
    let moving = "return root.getAnimations({subtree: true}).length";
    for (wish, count) in [("no-preference", 1), ("reduce", 0)] {
        let features = json!([{"name": "prefers-reduced-motion", "value": wish}]);
        ann.browser.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await?;
        ann.visit("/").await?;
        let moves = ann.look(&format!("chat.open(); {moving}")).await?;
        assert_eq!(moves, count, "{wish}");
        ann.look("chat.close()").await?;
    }
    ann.browser.close().await
}
