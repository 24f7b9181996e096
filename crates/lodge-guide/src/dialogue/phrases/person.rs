//! Phrases that ask for a person, in the words of many languages, as [`crate::dialogue::words`] leaves them: in lower
//! case, without marks. One word is a whole message, several words count wherever they stand.

/// A line a language or a few, phrases between bars.
pub(super) const PERSON: &[&str] = &[
    "human|person|agent|operator|representative|a real person|real human|live agent|human being|talk to a \
     human|talk to an agent|talk to a real person|talk to someone|talk to somebody|talk with someone|talk \
     to a representative|speak to a person|speak to a human|speak to an agent|speak to someone|speak to \
     somebody|speak with a person|speak with a human|speak with an agent|speak with someone|speak to a \
     representative|connect me with|connect me to a|contact a human|chat with a human|chat with a \
     person|get me a human|no bot|not a bot|customer service agent",
    "mensch|mitarbeiter|mitarbeiterin|berater|kundendienst|mit einem menschen|mit einem mitarbeiter|mit \
     einer person|mit einer mitarbeiterin|mit jemandem sprechen|mit jemandem reden|echter mensch|echten \
     menschen|richtigen menschen|keinen bot|kein bot|mit wem sprechen",
    "humain|conseiller|conseillere|parler a quelqu un|parler a un humain|parler a un conseiller|parler a \
     un agent|parler avec une personne|parler avec quelqu un|parler avec un conseiller|vraie \
     personne|vrai humain|une personne reelle|un etre humain|pas un robot",
    "humano|persona|agente|asesor|hablar con alguien|hablar con un agente|hablar con un humano|hablar con \
     un asesor|hablar con un operador|persona real|persona de verdad",
    "umano|operatore|parlare con qualcuno|parlare con un operatore|parlare con un umano|persona \
     vera|persona reale",
    "pessoa|atendente|falar com alguem|falar com um atendente|falar com um humano|falar com um \
     agente|pessoa real",
    "mens|medewerker|met een medewerker|met een persoon|met iemand praten|met iemand spreken|echt \
     persoon|echt mens",
    "czlowiek|konsultant|z czlowiekiem|z konsultantem|z pracownikiem|z kims porozmawiac|prawdziwy \
     czlowiek",
    "manniska|menneske|medarbetare|medarbejder|kundtjanst|prata med nagon|prata med en person|tala med \
     nagon|tal med en person|tale med en person|tale med et menneske|tale med nogen|snakke med en \
     person|snakke med et menneske|snakke med noen|riktig person|rigtig person",
    "ihminen|asiakaspalvelija|ihmisen kanssa|asiakaspalvelijan kanssa|puhua jonkun kanssa",
    "clovek|s clovekem|s operatorem|s nekym mluvit|skutecny clovek",
    "insan|temsilci|bir insanla|temsilciyle gorusmek|gercek kisi|musteri temsilcisi",
    "человек|оператор|с человеком|с оператором|живой человек|позовите оператора|людина|з людиною|з \
     оператором|жива людина",
    "人工|人工客服|转人工|真人|オペレーター|オペレータ|担当者|人と話したい|有人対応",
];
