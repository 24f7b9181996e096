//! The languages most mail is written in, told by their smallest words: a few hundred letters of usual text are full of
//! them. Answers only where nothing speaks against it; everything else is left to the statistics of letters, which weigh
//! some thirty languages and cost as much as reading the whole mail.

/// How many words are looked at.
const WORDS: usize = 64;
/// How many of them must be such words at least: below, a quoted sentence could decide.
const LEAST: usize = 8;

/// The language of `text`, where at least a fifth of its first words tell it and hardly any tells another.
pub(super) fn told_by_words(text: &str) -> Option<&'static str> {
    let mut hits: [(&str, usize); 3] = [("en", 0), ("de", 0), ("fr", 0)];
    let mut words = 0;
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(WORDS) {
        words += 1;
        // None of the words has more than eight letters.
        if word.len() > 12 {
            continue;
        }
        if let Some(tag) = language_of(&word.to_lowercase())
            && let Some((_, count)) = hits.iter_mut().find(|(known, _)| *known == tag)
        {
            *count += 1;
        }
    }
    let (tag, most) = hits.into_iter().max_by_key(|(_, count)| *count)?;
    let others: usize = hits.iter().map(|(_, count)| count).sum::<usize>() - most;
    (most >= LEAST && most * 5 >= words && others * 8 <= most).then_some(tag)
}

/// The language in which `word` is usual. Others have some of these words too, which is why only many of them count.
fn language_of(word: &str) -> Option<&'static str> {
    match word {
        "the" | "this" | "that" | "with" | "your" | "you" | "from" | "would" | "please" | "been"
        | "which" | "there" | "what" | "and" | "they" | "have" | "has" | "not" | "it" | "is" | "my"
        | "can" | "to" | "of" | "when" | "could" | "should" | "how" | "we" => Some("en"),
        "und" | "nicht" | "ich" | "ist" | "wir" | "mit" | "eine" | "einen" | "auf" | "für" | "von"
        | "bitte" | "dass" | "sich" | "werden" | "haben" | "auch" | "oder" | "aber" | "der" | "das"
        | "ein" | "sind" | "habe" | "mir" | "zu" | "wie" | "sie" | "ihnen" | "ihre" | "im" => Some("de"),
        "une" | "pour" | "dans" | "vous" | "nous" | "avec" | "cette" | "votre" | "notre" | "être"
        | "merci" | "bonjour" | "sont" | "aux" | "mais" | "est" | "les" | "des" | "pas" | "je" | "sur"
        | "du" => Some("fr"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::told_by_words;

    #[test]
    fn usual_text_tells_its_language() {
        for (want, text) in [
            (
                "en",
                "Since this morning the page says that my password is wrong, and the link to set another one does not arrive. I tried it from two browsers.",
            ),
            (
                "de",
                "Guten Tag, seit heute Morgen ist die Seite nicht mehr zu erreichen und ich habe auch eine Frage zu der Rechnung, die Sie mir geschickt haben. Bitte melden Sie sich.",
            ),
            (
                "fr",
                "Bonjour, je ne peux pas ouvrir la page depuis ce matin et votre lien pour changer le mot de passe n'est pas arrivé dans ma boîte. Merci de nous aider avec cette commande.",
            ),
        ] {
            assert_eq!(told_by_words(text), Some(want), "{text}");
        }
    }

    #[test]
    fn neighbours_and_mixtures_are_left_to_the_statistics() {
        for text in [
            "Ik kan sinds vanmorgen niet meer inloggen en de link om het wachtwoord te wijzigen komt niet aan. Ik heb het met mijn telefoon geprobeerd en ook met een andere browser.",
            "Desde esta manhã não consigo entrar na minha conta e o link para mudar a senha não chega. Já tentei com dois navegadores e também pelo telefone, mas não funciona.",
            "Questa mattina non riesco ad accedere al mio conto e il link per cambiare la password non arriva. Ho provato con il telefono e con un altro browser, ma non funziona.",
            "Des d'aquest matí no puc entrar al meu compte i l'enllaç per canviar la contrasenya no arriba. Ho he provat amb el telèfon i amb un altre navegador, però no funciona.",
            "Siden i morges har jeg ikke kunnet logge ind, og linket til at ændre min adgangskode kommer ikke. Jeg har prøvet det med min telefon og to browsere.",
            "Bitte helfen Sie mir, ich kann mich nicht anmelden und habe auch schon eine Mail von Ihnen. The page says that my password is wrong, and the link does not arrive. What can I do with it?",
            "The the the the the the the",
            "今日はログインできません。 The page says that my password is wrong.",
        ] {
            assert_eq!(told_by_words(text), None, "{text}");
        }
    }
}
