//! The language of a text, only where it can be told: more than forty letters, and no doubt.

mod common;

use whatlang::{Lang, detect};

/// How many characters are looked at: what a thousand do not tell, more will not, and each costs.
const SAMPLE: usize = 1_000;

/// BCP 47 tag of the text's language.
pub(crate) fn of(text: &str) -> Option<String> {
    let sample: String = text.chars().filter(|c| !c.is_ascii_digit()).take(SAMPLE).collect();
    if sample.chars().filter(|c| c.is_alphabetic()).count() <= 40 {
        return None;
    }
    if let Some(tag) = common::told_by_words(&sample) {
        return Some(tag.to_owned());
    }
    let info = detect(&sample).filter(whatlang::Info::is_reliable)?;
    Some(tag(info.lang()).to_owned())
}

/// ISO 639-1 where there is a code of two letters.
fn tag(lang: Lang) -> &'static str {
    const SHORT: &[(Lang, &str)] = &[
        (Lang::Eng, "en"),
        (Lang::Deu, "de"),
        (Lang::Fra, "fr"),
        (Lang::Spa, "es"),
        (Lang::Ita, "it"),
        (Lang::Por, "pt"),
        (Lang::Nld, "nl"),
        (Lang::Pol, "pl"),
        (Lang::Rus, "ru"),
        (Lang::Ukr, "uk"),
        (Lang::Ces, "cs"),
        (Lang::Slk, "sk"),
        (Lang::Slv, "sl"),
        (Lang::Hrv, "hr"),
        (Lang::Srp, "sr"),
        (Lang::Bul, "bg"),
        (Lang::Mkd, "mk"),
        (Lang::Ron, "ro"),
        (Lang::Hun, "hu"),
        (Lang::Tur, "tr"),
        (Lang::Ell, "el"),
        (Lang::Swe, "sv"),
        (Lang::Dan, "da"),
        (Lang::Nob, "nb"),
        (Lang::Fin, "fi"),
        (Lang::Est, "et"),
        (Lang::Lav, "lv"),
        (Lang::Lit, "lt"),
        (Lang::Cat, "ca"),
        (Lang::Heb, "he"),
        (Lang::Ara, "ar"),
        (Lang::Pes, "fa"),
        (Lang::Urd, "ur"),
        (Lang::Hin, "hi"),
        (Lang::Ben, "bn"),
        (Lang::Tam, "ta"),
        (Lang::Tel, "te"),
        (Lang::Tha, "th"),
        (Lang::Vie, "vi"),
        (Lang::Ind, "id"),
        (Lang::Cmn, "zh"),
        (Lang::Jpn, "ja"),
        (Lang::Kor, "ko"),
        (Lang::Kat, "ka"),
    ];
    SHORT.iter().find(|(known, _)| *known == lang).map_or_else(|| lang.code(), |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn long_texts_only() {
        assert_eq!(of("Hello there"), None);
        let german = "Guten Tag, leider funktioniert mein Drucker seit gestern Abend nicht mehr, können Sie mir bitte helfen?";
        assert_eq!(of(german).as_deref(), Some("de"));
    }
}
