//! Words that say nothing about a question: the small words of sixteen languages, as people type them. A word that
//! means something in another of these languages is left out of its list.

use std::collections::HashSet;
use std::sync::LazyLock;

/// By language, in lower case. Languages that are not here are searched with all their words.
const WORDS: &[(&str, &str)] = &[
    (
        "en",
        "a about after all also am an and any are aren't as at be because been before being but by can cannot can't \
         could did didn't do does doesn't doing don't down for from get go got had has hasn't have haven't having he \
         hello her here hey hi him his how i i'd i'll i'm i've if in into is isn't it it's its just like me more my \
         need no nor not now of off on once only or other our ours out over own please same she should so some such \
         than thank thanks that the their them then there these they this those through to too under until up us very \
         want wanted was we were what what's when where which while who whom why will with would yes you your yours",
    ),
    (
        "de",
        "aber alle allem allen aller als also am an auch auf aus bei beim bin bis bitte da damit dann das dass dein \
         dem den denn der des dich die dies diese diesem diesen dieser dieses dir doch du durch ein eine einem einen \
         einer eines er es etwas euch euer für gegen habe haben hallo hat hatte hätte ich ihm ihn ihnen ihr ihre ihrem \
         ihren im in ins ist ja jede jeder jetzt kann kein keine können könnte machen man mein meine meinem meinen \
         meiner mich mir mit möchte muss nach nein nicht nichts noch nun nur ob oder ohne sehr sein seine sich sie \
         sind so soll über um und uns unser unter vom von vor war warum was weil welche wenn wer werde werden wie wir \
         wird wo wollen würde zu zum zur danke",
    ),
    (
        "fr",
        "à ai aie alors au aucun aussi autre aux avec avez avoir avons bien bonjour c'est ça car ce cela ces cet cette \
         comme comment d'un d'une dans de des donc du elle elles en est et été être eu fait faire il ils j'ai je la le \
         les leur leurs lui ma mais me merci mes moi mon même n'ai n'est ne nos notre nous on ou où par pas peut peux \
         plus pour pourquoi qu'est qu'il quand que quel quelle qui quoi sa sans se ses si son sont suis sur svp ta te \
         tes toi ton tous tout très tu un une vos votre vous voudrais y",
    ),
    (
        "es",
        "al algo antes como cómo con contra cual cuál cuando cuándo de del desde donde dónde dos el él ella ellos en \
         entre era eres es esa ese eso esta está estaba están estar este esto estos estoy fue gracias ha hacer han has \
         hasta hay he hola la las le les lo los más me mi mí mis mucho muy nada ni no nos nosotros o os otra otro para \
         pero poco por porque puede puedo que qué quien quién quiero se sea ser si sí sin sobre son su sus también \
         tengo ti tiene todo tu tú tus un una uno unos usted y ya yo",
    ),
    (
        "it",
        "a ai al alla alle anche avere c'è che chi ci ciao col come con cosa cui da dal dalla dei del della delle di \
         dove e è ed essere fare gli grazie ha hai hanno ho i il in io l'ho la le lei lo loro lui ma mi mia mio miei \
         ne nel nella no noi non nostro o per perché però più posso può qual quale quando quello questa questo qui se \
         sei senza si sì sia sono sta su sua sugli sul sulla suo tra tu tua tuo tutti tutto un una uno voi vorrei",
    ),
    (
        "pt",
        "a ao aos as até com como da das de dela dele depois do dos e é ela ele eles em entre era essa esse esta está \
         estão estar este estou eu foi há isso já lhe mais mas me meu minha muito na nas não nem no nos nós nossa o \
         obrigada obrigado olá onde os ou para pela pelo pode por porque posso qual quando que quem quero se sem ser \
         seu seus só sou sua também te tem tenho ter tudo um uma você vocês",
    ),
    (
        "nl",
        "aan al alles als altijd bij ben bent dan dat de deze die dit doe doen door dus een en er geen haar had hallo \
         heb hebben heeft hem het hier hij hoe hun ik in is ja je jij kan kunnen kunt maar me mee men met mij mijn moet \
         na naar nee niet niets nog nu of om omdat ons ook op over te tegen toch toe tot u uit uw van veel voor waar \
         waarom wanneer want waren was wat we wel werd wie wij wil worden wordt zal ze zich zij zijn zo zonder zou",
    ),
    (
        "pl",
        "a aby ale bardzo bez bo być był była było był by chcę ci co czy dla do dlaczego dzień dobry gdy gdzie go i ich \
         ile im ja jak jaka jakie jego jej jest jestem jeszcze jeśli już każdy kiedy kto która które który lub ma mam \
         mi mnie mogę mój moja może można my na nad nam nas nie nie nim o od on ona oni po pod proszę przed przez przy \
         są się ta tak także tam te tego tej ten to tu ty w we więc wszystko z za że",
    ),
    (
        "sv",
        "alla att av bara blev bli de dem den denna det detta dig din du där efter ej eller en er ett från för ha hade \
         han har hej hon hur här i icke inom inte jag kan kunde man med mig min mina mitt mot mycket ni nu när och om \
         oss på sig sin ska skulle som så till tack under upp ut var varför vad vi vid vill är över",
    ),
    (
        "da",
        "af alle at blev blive da de dem den denne der deres det dette dig din dog du efter eller en end er et for fra \
         ham han har have havde hej hende her hos hun hvad hvis hvor hvordan hvorfor i ikke ind jeg jer kan man med meget \
         men mig min mine mit må når nu og også om op os over på selv sig sin skal som så tak til ud under var ved vi \
         vil ville være",
    ),
    (
        "nb",
        "alle at av bare ble bli da de deg dem den denne der det dette din du eller en er et etter for fra få ha hadde han \
         har hei hun hva hvis hvor hvordan hvorfor i ikke jeg kan kunne man med meg men min mine mitt må når nå og også \
         om opp oss over på seg skal som så takk til ut var ved vi vil ville være",
    ),
    (
        "fi",
        "ei eikä ja jo joka jos kanssa kiitos koska kuin kun me mikä milloin minä minun missä miten mitä moi mutta myös ne \
         niin nyt olen on ole oli olla onko ovat se sen siitä sinä tai tämä tämän vain voi voin voinko että",
    ),
    (
        "cs",
        "a aby ale ani by být byl byla co což dobrý den děkuji do i já jak jako je jeho jen jestli ještě již jsem jsou k \
         kde kdo kdy když která které který má mám mě mi mohu můj může my na nad ne nebo není o od on ona po pod pro \
         prosím proč před při s se si tak také ten to tu ty u už v ve z za že",
    ),
    (
        "tr",
        "acaba ama ancak bana belki ben beni benim bir biz bu bunu çok da daha de değil diye en gibi hem hiç için ile ise \
         kadar ki kim lütfen merhaba mı mi mu mü nasıl ne neden nerede niye o olan olarak oldu sen siz şey şu teşekkürler \
         var ve veya ya yok",
    ),
    (
        "ru",
        "а без бы был была было быть в вам вас во вот все вы где да для до его ее если есть еще же за здравствуйте и из \
         или им их к как какой когда кто ли меня мне можно мой мы на не нет но ну о об он она они от по пожалуйста \
         почему при с со спасибо так также там то только ты у уже хочу что чтобы эта это этот я",
    ),
    (
        "uk",
        "а або але бо був була було в вам ви від вона вони все він де для до добрий день дякую є ж за з зі і й із їх його \
         коли ласка чи можна мене мені ми мій на не ні о по при про та так також те ти то тут у хочу це ця цей чому що щоб \
         як який я",
    ),
];

static ALL: LazyLock<HashSet<&str>> =
    LazyLock::new(|| WORDS.iter().flat_map(|(_, words)| words.split_ascii_whitespace()).collect());

/// Whether `word`, in lower case, is a small word of any of the languages. A question is often in another language than
/// its door believes, so all lists hold for all.
pub(crate) fn is_stop_word(word: &str) -> bool {
    ALL.contains(word) || (word.contains('’') && ALL.contains(word.replace('’', "'").as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dozen_languages_have_lists_and_words_of_matter_are_in_none() {
        assert!(WORDS.len() >= 12);
        for stop in [
            "the", "und", "où", "está", "perché", "não", "niet", "się", "från", "ikke", "että", "že", "için",
            "это", "що",
        ] {
            assert!(is_stop_word(stop), "{stop}");
        }
        for word in
            ["refund", "order", "rechnung", "livraison", "pedido", "die-cut", "password", "konto", "заказ"]
        {
            assert!(!is_stop_word(word), "{word}");
        }
        for (language, words) in WORDS {
            assert_eq!(*words, words.to_lowercase(), "{language}");
        }
    }
}
