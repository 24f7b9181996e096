//! What is told about guides that are wrong: every problem at once, with its line and what to do.

use lodge_guide::dialogue::{BUILT_IN, Guide, StepView};
use lodge_guide::{Known, Problem};

fn problems(text: &str) -> Vec<String> {
    let told = |problem: &Problem| {
        assert!(!problem.remedy.is_empty(), "{problem}");
        format!("{}:{}: {}", problem.line, problem.key, problem.reason)
    };
    Guide::parse(text).map_or_else(|problems| problems.iter().map(told).collect(), |_| Vec::new())
}

fn has(problems: &[String], part: &str) -> bool {
    problems.iter().any(|problem| problem.contains(part))
}

const END: &str = "[[step]]\nname = \"end\"\nhand_over.en = \"Bye.\"\n";

#[test]
fn the_built_in_guide_is_without_problems_and_needs_no_advice() {
    let guide = Guide::parse(BUILT_IN).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(guide.check(), []);
    for language in ["en", "de-CH", "fr", "es-MX", "xx", "", "not a language"] {
        let turn = guide.begin(language, Known::default());
        assert!(turn.say[0].text.contains("bot") || turn.say[0].text.contains("Bot"), "{language}");
        assert!(turn.say.last().is_some_and(|line| !line.choices.is_empty()), "{language}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let text = r#"
language = "en"
languages = ["de", "Klingonisch"]
introduction = { en = "Hi, I am Anna.", de = "Ich bin ein Bot." }

[[step]]
name = "Upper Case"
say.en = "Hello {nobody}"

[[step]]
name = "number"
next = "nowhere"
[step.ask]
kind = "number"
text = { en = "?", de = "?", fr = "?" }

[[step]]
name = "choice"
[step.ask]
kind = "choice"
pattern = "x"
retries = 9
text = { en = "?", de = "?" }
choices = [{ value = "a", label = { en = "A", de = "A" } }]

[[step]]
name = "choice"
branch = { on = "choice", cases = { b = "choice" } }

[[step]]
name = "two"
say = { en = "x", de = "x" }
set = { tags = [""] }

[[step]]
name = "last"
offer = { about = "two", most = 7 }
"#;
    let told = problems(text);
    for part in [
        "0:languages: `Klingonisch` is no language tag",
        "0:introduction: the text in `en` does not say that a bot is speaking",
        "6:step \"Upper Case\": name: it is no name",
        "6:step \"Upper Case\": say: there is no text in de",
        "6:step \"Upper Case\": say.en: nothing is known of `{nobody}`",
        "10:step \"number\": next: there is no step `nowhere`",
        "ask.pattern: a number is asked for without a pattern",
        "ask.text: there is a text in `fr`",
        "ask.pattern: this kind of question has no pattern",
        "ask.retries: it is out of range",
        "ask.choices: there are not two to ten choices",
        "name: there is another step of this name",
        "branch.cases: `b` is none of the choices",
        "it does not do exactly one thing",
        "set: something is empty, too long or too much",
        "offer.about: `two` is no step that asks something",
        "offer.most: it is out of range",
        "next: the last step leads nowhere",
    ] {
        assert!(has(&told, part), "{part} is not in {told:#?}");
    }
}

#[test]
fn steps_that_are_never_reached_and_ways_that_never_end_are_told() {
    let lonely = format!("{END}[[step]]\nname = \"lonely\"\nnext = \"end\"\nsay.en = \"x\"\n");
    assert_eq!(problems(&lonely), ["4:step \"lonely\": no way leads here"]);
    let round = "[[step]]\nname = \"a\"\n[step.ask]\nkind = \"text\"\ntext.en = \"?\"\n\n\
                 [[step]]\nname = \"b\"\nnext = \"a\"\nsay.en = \"x\"\n";
    let told = problems(round);
    assert_eq!(told.len(), 2);
    assert!(has(&told, "1:step \"a\": from here no way leads to an end"), "{told:#?}");
    let silent = format!(
        "[[step]]\nname = \"a\"\n[step.ask]\nkind = \"choice\"\ntext.en = \"?\"\n\
         choices = [{{ value = \"x\", label.en = \"X\" }}, {{ value = \"y\", label.en = \"Y\" }}]\n\
         [[step]]\nname = \"b\"\nbranch = {{ on = \"a\", cases = {{ x = \"c\" }}, otherwise = \"end\" }}\n\
         [[step]]\nname = \"c\"\nnext = \"b\"\nsay.en = \"x\"\n{END}"
    );
    let told = problems(&silent);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(has(&told, "step \"b\": it goes round and asks nothing: b → c → b"), "{told:#?}");
    assert_eq!(problems(""), ["0:step: there is no step"]);
    assert_eq!(problems(END), [""; 0]);
}

#[test]
fn t27_patterns_of_the_configuration_are_bounded() {
    let guide = |pattern: &str| {
        format!(
            "[[step]]\nname = \"a\"\n[step.ask]\nkind = \"number\"\ntext.en = \"?\"\npattern = '{pattern}'\n{END}"
        )
    };
    assert!(has(&problems(&guide("x{1000}{1000}")), "grows beyond"));
    assert!(has(&problems(&guide("(")), "ask.pattern"));
    assert!(has(&problems(&guide(&"(".repeat(10_000))), "ask.pattern"));
    assert_eq!(problems(&guide("(a+)+$")), [""; 0]);
}

#[test]
fn a_guide_that_works_may_get_advice() {
    let guide = Guide::parse(&format!(
        "languages = [\"hu\"]\n{}",
        END.replace("Bye.\"", "Bye.\"\nhand_over.hu = \"x\"")
    ));
    let advice = guide.unwrap().check();
    assert_eq!(advice.len(), 4, "{advice:#?}");
}

#[test]
fn a_guide_can_be_drawn() {
    let steps = Guide::parse(BUILT_IN).unwrap().steps();
    assert_eq!((steps[0].name.as_str(), steps[0].does), ("matter", "ask text"));
    let find = |name: &str| -> StepView { steps.iter().find(|step| step.name == name).unwrap().clone() };
    let branch = find("by-topic");
    assert!(branch.to.contains(&("billing".to_owned(), "set-billing".to_owned())));
    assert!(branch.to.contains(&("otherwise".to_owned(), "details".to_owned())));
    assert_eq!(find("articles").to, [("no".to_owned(), "topic".to_owned())]);
    assert_eq!(find("person").to, []);
}
