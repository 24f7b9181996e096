//! What articles answered is counted once, by inbox, day and article, and forgotten in time.

use crate::house::{House, hours};
use lodge_domain::ports::{Clock, InboxState, Outcome};
use lodge_domain::{Answered, BrandName, Inbound, InboxId, InboxName};
use lodge_pipeline::{InboxFacts, Settings};

fn website() -> InboxId {
    InboxId { brand: BrandName::parse("acme").unwrap(), name: InboxName::parse("website").unwrap() }
}

fn house() -> House {
    let facts = InboxFacts { brand: Some(website().brand), ..InboxFacts::default() };
    let settings = Settings { inboxes: [(website().name, facts)].into(), ..Settings::default() };
    House::with(settings, |_| {})
}

async fn answer(house: &House, source: &str, article: &str) {
    let answer = Answered {
        inbox: website(),
        source: source.to_owned(),
        article: article.to_owned(),
        at: house.clock.now(),
    };
    let outcomes = house.pipeline.intake().accept(vec![Inbound::Answered(Box::new(answer))]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Counted]);
}

async fn counted(house: &House, since: &str) -> Vec<(String, String, u64)> {
    let counts = house.pipeline.commands().answered(since).await.unwrap();
    assert!(counts.iter().all(|count| count.inbox == website().name));
    counts.into_iter().map(|count| (count.day, count.article, count.count)).collect()
}

fn line(day: &str, article: &str, count: u64) -> (String, String, u64) {
    (day.to_owned(), article.to_owned(), count)
}

#[tokio::test]
async fn what_an_article_answered_is_counted_once() {
    let house = house();
    for (source, article) in [("s1/4", "lamps"), ("s2/3", "lamps"), ("s1/4", "lamps"), ("s1/9", "returns")] {
        answer(&house, source, article).await;
    }
    let today = [line("2026-03-02", "lamps", 2), line("2026-03-02", "returns", 1)];
    assert_eq!(counted(&house, "").await, today);
    house.clock.advance(hours(24));
    answer(&house, "s3/2", "lamps").await;
    assert_eq!(counted(&house, "2026-03-03").await, [line("2026-03-03", "lamps", 1)]);
    assert_eq!(counted(&house, "").await.len(), 3);
    assert!(house.events().is_empty() && house.dead_letters().await.is_empty(), "no ticket, no event");
}

#[tokio::test]
async fn a_busy_day_stays_small_and_old_days_go() {
    let house = house();
    for number in 0..2000 {
        answer(&house, &format!("s{number}/1"), &format!("article-{}", number % 3)).await;
    }
    let total: u64 = counted(&house, "").await.iter().map(|(_, _, count)| count).sum();
    assert_eq!(total, 2000);
    let kept = house.store.load(&website(), "answered/2026-03-02").await.unwrap().unwrap();
    assert!(kept.value.len() < 16_384, "{}", kept.value.len());
    house.clock.advance(hours(24 * 401));
    answer(&house, "s1/1", "article-0").await;
    assert_eq!(counted(&house, "").await, [line("2027-04-07", "article-0", 1)]);
}
