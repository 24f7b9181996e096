//! What is wrong with inboxes, and what they name elsewhere in the configuration: business hours, and the inbox that answers
//! for them.

use super::load::Loaded;
use super::model::HoursSection;
use jiff::civil::Weekday;
use lodge_channel::{Door, Problem, SecretSource};
use lodge_domain::{Hours, InboxName};
use std::collections::BTreeMap;

impl Loaded {
    /// Everything wrong with an inbox's door, each with its key below the inbox.
    pub(super) fn wrong(
        &self,
        name: &InboxName,
        door: &dyn Door,
        secrets: &dyn SecretSource,
    ) -> Vec<(String, Problem)> {
        let channel = door.address().channel.to_string();
        // A table that cannot be read is not in the door: what the door then lacks was told with its cause.
        let below = format!("inbox.{name}.{channel}.");
        let unread = self.problems.iter().any(|known| known.key.starts_with(&below));
        let address = door.check_address(self.server.public_url.as_deref());
        let found = door.check(secrets).into_iter().chain(door.check_files(&self.folder));
        let found = found.chain(address).chain(self.missing(door));
        found
            .filter(|problem| !(unread && problem.key.is_empty()))
            .map(|problem| {
                let key = [channel.as_str(), problem.key.trim_end_matches('.')];
                (key.join(".").trim_end_matches('.').to_owned(), problem)
            })
            .collect()
    }

    pub(super) fn hours(&mut self) -> BTreeMap<String, Hours> {
        let mut all = BTreeMap::new();
        for (name, section) in self.hours.clone() {
            let table = format!("hours.{name}");
            let told = |key: &str, reason: String, remedy: &str| {
                self.note(&table, &format!("{table}.{key}"), reason, remedy);
            };
            if let Some(hours) = read_hours(&section, told) {
                all.insert(name, hours);
            }
        }
        all
    }

    /// What a door names and the configuration does not have.
    fn missing(&self, door: &dyn Door) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some((key, name)) = door.hours()
            && !self.hours.contains_key(name)
        {
            let reason = format!("there are no hours `{name}`");
            problems.push(Problem::new(key, reason, format!("write a table `[hours.{name}]`")));
        }
        if let Some((key, name)) = door.continues_by()
            && !self.inboxes.contains_key(name)
        {
            let remedy = "name an inbox that sends mail, or leave the key out";
            problems.push(Problem::new(key, format!("there is no inbox `{name}`"), remedy));
        }
        problems
    }
}

/// Hours as they are written, read; what cannot be read is told.
fn read_hours(section: &HoursSection, mut problem: impl FnMut(&str, String, &str)) -> Option<Hours> {
    let zone = section.timezone.as_deref().unwrap_or("UTC");
    let Some(mut hours) = Hours::new(zone) else {
        problem("timezone", format!("there is no time zone `{zone}`"), "write it as `Europe/Berlin`");
        return None;
    };
    let week = [
        ("monday", Weekday::Monday, &section.monday),
        ("tuesday", Weekday::Tuesday, &section.tuesday),
        ("wednesday", Weekday::Wednesday, &section.wednesday),
        ("thursday", Weekday::Thursday, &section.thursday),
        ("friday", Weekday::Friday, &section.friday),
        ("saturday", Weekday::Saturday, &section.saturday),
        ("sunday", Weekday::Sunday, &section.sunday),
    ];
    for (key, weekday, times) in week {
        for one in times.iter().filter(|one| !hours.open(weekday, one)) {
            problem(key, format!("`{one}` is no opening time"), "write times as `09:00-17:30`");
        }
    }
    for one in section.closed.iter().filter(|one| !hours.close(one)) {
        problem("closed", format!("`{one}` is no day"), "write days as `2026-12-25`");
    }
    Some(hours)
}
