//! The texts of acknowledgments: built in for fifteen languages, replaced by the operator's own where there are any.
//!
//! A template's first line is the subject, the rest the text; an HTML template has the body alone. Values are data and
//! never templates (T39); an unknown variable is an error when templates are loaded; what fails later falls back to the
//! built-in text, so that no template ever holds a contact up (E07).

use crate::events;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use std::collections::BTreeSet;

const BUILT_IN: [(&str, &str); 15] = [
    ("ar", include_str!("../templates/ar.txt")),
    ("de", include_str!("../templates/de.txt")),
    ("en", include_str!("../templates/en.txt")),
    ("es", include_str!("../templates/es.txt")),
    ("fr", include_str!("../templates/fr.txt")),
    ("he", include_str!("../templates/he.txt")),
    ("it", include_str!("../templates/it.txt")),
    ("ja", include_str!("../templates/ja.txt")),
    ("nl", include_str!("../templates/nl.txt")),
    ("pl", include_str!("../templates/pl.txt")),
    ("pt", include_str!("../templates/pt.txt")),
    ("ru", include_str!("../templates/ru.txt")),
    ("tr", include_str!("../templates/tr.txt")),
    ("uk", include_str!("../templates/uk.txt")),
    ("zh", include_str!("../templates/zh.txt")),
];
/// What is said where there is no room for a letter.
const SHORT: [(&str, &str); 15] = [
    ("ar", "شكرًا، لقد استلمنا رسالتك. رقمك المرجعي هو REF."),
    ("de", "Danke, wir haben Ihre Nachricht. Ihre Nummer ist REF."),
    ("en", "Thank you, we have your message. Your reference is REF."),
    ("es", "Gracias, hemos recibido su mensaje. Su referencia es REF."),
    ("fr", "Merci, nous avons bien reçu votre message. Votre référence est REF."),
    ("he", "תודה, קיבלנו את הודעתך. מספר הפנייה שלך: REF."),
    ("it", "Grazie, abbiamo ricevuto il suo messaggio. Il suo riferimento è REF."),
    ("ja", "お問い合わせを受け付けました。受付番号: REF"),
    ("nl", "Bedankt, we hebben uw bericht ontvangen. Uw referentie is REF."),
    ("pl", "Dziękujemy, mamy Państwa wiadomość. Numer sprawy: REF."),
    ("pt", "Obrigado, recebemos a sua mensagem. A sua referência é REF."),
    ("ru", "Спасибо, мы получили ваше сообщение. Номер обращения: REF."),
    ("tr", "Teşekkürler, mesajınızı aldık. Başvuru numaranız: REF."),
    ("uk", "Дякуємо, ми отримали ваше повідомлення. Номер звернення: REF."),
    ("zh", "谢谢，我们已收到您的消息。受理编号: REF。"),
];
/// Languages that are written from the right.
const RIGHT_TO_LEFT: [&str; 2] = ["ar", "he"];
/// Instructions one rendering may take.
const FUEL: u64 = 100_000;
/// Characters of a value that reach a text.
const VALUE_LENGTH: usize = 200;

/// What a template may name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Values {
    /// The reference, grouped for people.
    pub reference: String,
    /// The reference in ten digits, as it stands in subjects.
    pub number: String,
    /// The contact's subject; only for authenticated senders.
    pub subject: Option<String>,
    /// The sender's name; only for authenticated senders.
    pub name: Option<String>,
    /// A link to the sender's own page of the conversation, where there is one.
    pub page: Option<String>,
    /// The inbox.
    pub inbox: String,
    /// The brand, where the inbox has one.
    pub brand: Option<String>,
    /// What to sign with, where the operator set it.
    pub signature: Option<String>,
}

/// A rendered acknowledgment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same, as HTML.
    pub html: String,
    /// The language it is in.
    pub language: String,
}

/// Something wrong with a template of the operator's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template {name}: {problem}")]
pub struct TemplateProblem {
    /// Its name, such as `de.txt`.
    pub name: String,
    /// What is wrong, with the line.
    pub problem: String,
}

/// All texts, ready to be rendered.
#[derive(Debug)]
pub struct Templates {
    built_in: Environment<'static>,
    own: Environment<'static>,
    own_names: BTreeSet<String>,
}

impl Default for Templates {
    fn default() -> Self {
        Self { built_in: built_in(), own: environment(), own_names: BTreeSet::new() }
    }
}

impl Templates {
    /// The built-in texts and the operator's own: `(name, content)` where the name is `LANGUAGE.txt` or `LANGUAGE.html`.
    ///
    /// # Errors
    /// All problems at once: templates that cannot be read, name what is unknown, or fail on a trial.
    pub fn new(own: impl IntoIterator<Item = (String, String)>) -> Result<Self, Vec<TemplateProblem>> {
        let mut templates = Self::default();
        let mut problems = Vec::new();
        for (name, content) in own {
            if !is_template_name(&name) {
                let problem = "the name is neither LANGUAGE.txt nor LANGUAGE.html".to_owned();
                problems.push(TemplateProblem { name, problem });
            } else if let Err(error) = templates.own.add_template_owned(name.clone(), content) {
                problems.push(TemplateProblem { name, problem: described(&error) });
            } else {
                templates.own_names.insert(name);
            }
        }
        problems.extend(templates.trials());
        if problems.is_empty() { Ok(templates) } else { Err(problems) }
    }

    /// One sentence with the reference, in the first language that has one, for channels that have no letters.
    #[must_use]
    pub fn short<'l>(languages: impl IntoIterator<Item = &'l str>, reference: &str) -> String {
        let known = |tag: &str| {
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            SHORT.iter().find(|(language, _)| *language == primary)
        };
        let found = languages.into_iter().chain(["en"]).find_map(known);
        found.map_or("REF", |(_, text)| text).replace("REF", reference)
    }

    /// Renders each of the operator's templates with and without everything that may be absent.
    fn trials(&self) -> Vec<TemplateProblem> {
        let bare = Values { reference: "482 913 6057".to_owned(), ..Values::default() };
        let some = || Some("x".to_owned());
        let full = Values {
            subject: some(),
            name: some(),
            page: some(),
            brand: some(),
            signature: some(),
            number: "4829136057".to_owned(),
            inbox: "x".to_owned(),
            reference: bare.reference.clone(),
        };
        let mut problems = Vec::new();
        for name in &self.own_names {
            let failed =
                [&bare, &full].into_iter().find_map(|values| rendered(&self.own, name, values).err());
            problems.extend(failed.map(|problem| TemplateProblem { name: name.clone(), problem }));
        }
        problems
    }

    /// Renders the text in the first of `languages` (BCP 47 tags) that there is one for, else in English.
    pub fn render<'l>(&self, languages: impl IntoIterator<Item = &'l str>, values: &Values) -> Rendered {
        let language =
            languages.into_iter().find_map(|tag| self.spoken(tag)).unwrap_or_else(|| "en".to_owned());
        let values = &cut(values);
        let own = self.own_text(&language, values).unwrap_or_else(|error| {
            events::TemplateFailed { language: &language, error }.emit();
            None
        });
        let (subject, text) = own.unwrap_or_else(|| self.built_in_text(&language, values));
        let html_name = format!("{language}.html");
        let html = if self.own_names.contains(&html_name) {
            rendered(&self.own, &html_name, values)
                .inspect_err(|error| {
                    events::TemplateFailed { language: &language, error: error.clone() }.emit();
                })
                .unwrap_or_else(|_| html_of(&text, &language))
        } else {
            html_of(&text, &language)
        };
        Rendered { subject, text, html, language }
    }

    /// The languages there is a text for, sorted.
    #[must_use]
    pub fn languages(&self) -> Vec<String> {
        let own = self.own_names.iter().filter_map(|name| name.strip_suffix(".txt"));
        let all: BTreeSet<&str> = BUILT_IN.iter().map(|(language, _)| *language).chain(own).collect();
        all.into_iter().map(ToOwned::to_owned).collect()
    }

    /// The language of ours that serves a tag: itself, else its primary language (RFC 4647, lookup).
    fn spoken(&self, tag: &str) -> Option<String> {
        let tag = tag.to_lowercase();
        let primary = tag.split('-').next().unwrap_or(&tag);
        let known = |language: &str| {
            BUILT_IN.iter().any(|(built_in, _)| *built_in == language)
                || self.own_names.contains(&format!("{language}.txt"))
        };
        [tag.as_str(), primary].into_iter().find(|language| known(language)).map(ToOwned::to_owned)
    }

    fn own_text(&self, language: &str, values: &Values) -> Result<Option<(String, String)>, String> {
        let name = format!("{language}.txt");
        if !self.own_names.contains(&name) {
            return Ok(None);
        }
        rendered(&self.own, &name, values).map(|all| Some(split(&all)))
    }

    /// The built-in text; if even that fails, one sentence.
    fn built_in_text(&self, language: &str, values: &Values) -> (String, String) {
        let in_language = rendered(&self.built_in, &format!("{language}.txt"), values);
        let all = in_language.or_else(|_| rendered(&self.built_in, "en.txt", values));
        all.map_or_else(
            |error| {
                events::TemplateFailed { language, error }.emit();
                let subject = format!("We have received your message [#{}]", values.number);
                (subject, format!("We have received your message. Reference: {}\n", values.reference))
            },
            |all| split(&all),
        )
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(16);
    // Lines that hold nothing but a block leave nothing behind; the defaults of the syntax stay otherwise.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    environment
}

fn built_in() -> Environment<'static> {
    let mut environment = environment();
    for (language, content) in BUILT_IN {
        // A built-in text that cannot be read is found by the tests; here the fallback sentence serves.
        if let Err(error) = environment.add_template_owned(format!("{language}.txt"), content) {
            events::TemplateFailed { language, error: described(&error) }.emit();
        }
    }
    environment
}

fn rendered(environment: &Environment<'_>, name: &str, values: &Values) -> Result<String, String> {
    environment
        .get_template(name)
        .and_then(|template| template.render(minijinja::value::Serde(values)))
        .map_err(|error| described(&error))
}

fn described(error: &minijinja::Error) -> String {
    match error.line() {
        Some(line) => format!("line {line}: {error}"),
        None => error.to_string(),
    }
}

fn is_template_name(name: &str) -> bool {
    let language = name.strip_suffix(".txt").or_else(|| name.strip_suffix(".html"));
    language.is_some_and(|language| {
        !language.is_empty()
            && language.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// The first line, and the rest without blank lines around it.
fn split(all: &str) -> (String, String) {
    let (subject, text) = all.split_once('\n').unwrap_or((all, ""));
    let subject: String = subject.trim().chars().filter(|c| !c.is_control()).collect();
    (subject, format!("{}\n", text.trim()))
}

/// Values as short as a text wants them, on one line each.
fn cut(values: &Values) -> Values {
    let short = |text: &Option<String>| {
        text.as_ref()
            .map(|text| text.chars().filter(|c| !c.is_control()).take(VALUE_LENGTH).collect::<String>())
    };
    Values { subject: short(&values.subject), name: short(&values.name), ..values.clone() }
}

/// Plain text as HTML: a paragraph for each block, lines kept, everything escaped.
fn html_of(text: &str, language: &str) -> String {
    let begin = if RIGHT_TO_LEFT.contains(&language) { "<p dir=\"rtl\">" } else { "<p>" };
    let mut html = String::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        html.push_str(begin);
        for (at, line) in block.lines().enumerate() {
            if at > 0 {
                html.push_str("<br>\n");
            }
            for c in line.chars() {
                match c {
                    '&' => html.push_str("&amp;"),
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '"' => html.push_str("&quot;"),
                    c => html.push(c),
                }
            }
        }
        html.push_str("</p>\n");
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            reference: "482 913 6057".to_owned(),
            number: "4829136057".to_owned(),
            inbox: "support".to_owned(),
            ..Values::default()
        }
    }

    #[test]
    fn every_built_in_text_is_whole_with_and_without_what_may_be_absent() {
        let templates = Templates::default();
        assert_eq!(
            templates.languages(),
            ["ar", "de", "en", "es", "fr", "he", "it", "ja", "nl", "pl", "pt", "ru", "tr", "uk", "zh",]
        );
        let full = Values {
            subject: Some("Parcel".to_owned()),
            name: Some("Ann".to_owned()),
            page: Some("https://help.example.com/t/x".to_owned()),
            signature: Some("Acme".to_owned()),
            ..values()
        };
        for language in templates.languages() {
            let bare = templates.render([language.as_str()], &values());
            assert_eq!(bare.language, language);
            assert!(bare.subject.ends_with(" [#4829136057]") && !bare.subject.starts_with("Re:"), "{bare:?}");
            assert!(bare.text.contains(" 482 913 6057\n") && !bare.text.contains("\n\n\n"), "{}", bare.text);
            let all = templates.render([language.as_str()], &full);
            assert_eq!(all.subject, "Re: Parcel [#4829136057]");
            assert!(
                all.text.ends_with("\n\nAcme\n") && all.text.contains("\nhttps://help.example.com/t/x\n"),
                "{}",
                all.text
            );
            let greeting = all.text.lines().next().unwrap_or_default();
            assert!(!all.text.contains("\n\n\n") && greeting.contains("Ann"), "{}", all.text);
            let short = Templates::short([language.as_str()], "482 913 6057");
            assert!(
                short.contains("482 913 6057") && (language == "en") == short.contains("Thank"),
                "{short}"
            );
            assert_eq!(all.html.contains("rtl"), ["ar", "he"].contains(&language.as_str()), "{}", all.html);
        }
    }

    #[test]
    fn t39_values_are_data_and_short() {
        let hostile = Values {
            name: Some(format!("{{{{7*7}}}}{{% include 'x' %}}<b>{}", "x".repeat(1_000_000))),
            subject: Some("a\r\nBcc: victim@example.org".to_owned()),
            ..values()
        };
        let rendered = Templates::default().render(["en"], &hostile);
        assert!(rendered.text.contains("{{7*7}}{% include 'x' %}<b>") && rendered.text.len() < 1_000);
        assert!(rendered.html.contains("&lt;b&gt;") && !rendered.html.contains("<b>"));
        assert!(!rendered.subject.contains(['\r', '\n']), "{}", rendered.subject);
    }

    #[test]
    fn e07_what_fails_when_it_is_needed_falls_back_to_the_built_in_text() {
        let own = |name: &str, content: &str| (name.to_owned(), content.to_owned());
        let late = "{% if inbox == 'support' %}{{ missing }}{% endif %}Own {{ number }}\n\ntext";
        let templates =
            Templates::new([own("en.txt", late), own("en.html", "<p>{{ reference }}</p>")]).unwrap();
        let rendered = templates.render(["en"], &values());
        assert_eq!(rendered.subject, "We have received your message [#4829136057]");
        assert_eq!(rendered.html, "<p>482 913 6057</p>");
        let elsewhere = templates.render(["en"], &Values { inbox: "sales".to_owned(), ..values() });
        assert_eq!((elsewhere.subject.as_str(), elsewhere.text.as_str()), ("Own 4829136057", "text\n"));
    }

    #[test]
    fn all_problems_of_templates_are_found_when_they_are_loaded() {
        let own = [
            ("en.txt", "{{ nobody }}"),
            ("de.txt", "{% if %}"),
            ("README", ""),
            ("fr.txt", "{% for a in range(100000) %}x{% endfor %}"),
        ];
        let problems =
            Templates::new(own.map(|(name, content)| (name.to_owned(), content.to_owned()))).unwrap_err();
        let names: Vec<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(names, ["de.txt", "README", "en.txt", "fr.txt"], "{problems:#?}");
    }
}
