//! kill -9 at random moments under load (F2 of the fault matrix): nothing lost, nothing doubled. `E2E_KILLS` says how
//! often (100 for a long run), `E2E_SEED` repeats a run; both are printed.

use crate::support::assert_at_most_one_each;
use anyhow::Result;
use lodge_e2e::{House, Mail, Plan, Store, clock, needs};
use std::collections::HashSet;
use std::time::Duration;

on_both_stores!(kill_nine_at_random_moments_loses_and_doubles_nothing);

/// A small generator (splitmix64): the same seed, the same moments.
struct Moments(u64);

impl Moments {
    /// A number below `most`.
    fn next(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most
    }
}

async fn kill_nine_at_random_moments_loses_and_doubles_nothing(store: Store) -> Result<()> {
    let number = |name: &str| needs::variable(name).and_then(|text| text.parse::<u64>().ok());
    let kills = number("E2E_KILLS").unwrap_or(12);
    let seed = number("E2E_SEED").unwrap_or_else(|| clock::now().as_microsecond().unsigned_abs());
    println!("E2E_KILLS={kills} E2E_SEED={seed} ({store:?})");
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    house.move_in().await?;
    let mut moments = Moments(seed);
    let mut written = 0;
    let mut firsts: Vec<Mail> = Vec::new();
    for _ in 0..kills {
        let gateway = house.launch("")?;
        for _ in 0..8 {
            written += 1;
            write(&house, written, &mut firsts, &mut moments)?;
            tokio::time::sleep(Duration::from_millis(moments.next(60))).await;
        }
        // From before it can listen to long after it works.
        tokio::time::sleep(Duration::from_millis(moments.next(1500))).await;
        gateway.kill()?;
    }
    let _gateway = house.run().await?;
    house.exactly(written, 240).await?;
    assert_at_most_one_each(&house);
    let subjects: HashSet<String> = house
        .core
        .contacts()
        .iter()
        .filter_map(|event| event["subject"].as_str().map(ToOwned::to_owned))
        .collect();
    assert_eq!(subjects.len(), written, "every mail has its own contact");
    // An acknowledgment that was in flight at a kill may stay unsent; the others are there.
    let conversations = firsts.len();
    let enough = conversations.saturating_sub(usize::try_from(kills)? * 4);
    house.until("most acknowledgments", 120, || house.sink.taken().len() >= enough).await?;
    assert_at_most_one_each(&house);
    Ok(())
}

/// A new conversation, or with one chance in three a further mail in an old one.
fn write(house: &House, number: usize, firsts: &mut Vec<Mail>, moments: &mut Moments) -> Result<()> {
    let subject = format!("Random {number}");
    let old = usize::try_from(moments.next(3 * (firsts.len() as u64 + 1)))?;
    if let Some(first) = firsts.get(old) {
        let person = format!("person{old}@example.com");
        let mail = Mail::authenticated(&person).subject(&subject).answering(first.id());
        return house.dovecot.deliver("support", &mail);
    }
    let mail = Mail::authenticated(&format!("person{}@example.com", firsts.len())).subject(&subject);
    house.dovecot.deliver("support", &mail)?;
    firsts.push(mail);
    Ok(())
}
