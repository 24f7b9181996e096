//! How much one household may take of an inbox: sockets at a time, new sessions and bytes of uploads within ten minutes
//! (T55, T69). A household is an IPv4 address or an IPv6 /64. Holds an entry only for who is here, or was lately.

use crate::config::{ChatSettings, SESSION_WINDOW};
use crate::registry::Window;
use jiff::Timestamp;
use lodge_channel::Client;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Households known at a time. Whoever is here counts always; those who only were here are forgotten above it.
const MOST: usize = 65_536;

#[derive(Default)]
struct Household {
    sockets: usize,
    sessions: Window,
    bytes: Window,
}

impl Household {
    fn is_over(&self, now: Timestamp) -> bool {
        self.sockets == 0
            && self.sessions.is_over(now, SESSION_WINDOW)
            && self.bytes.is_over(now, SESSION_WINDOW)
    }
}

/// The households of an inbox in this process.
#[derive(Default)]
pub(crate) struct Crowd {
    households: Mutex<HashMap<IpAddr, Household>>,
}

/// A socket's place, given back when it is dropped.
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    household: IpAddr,
}

impl Crowd {
    fn households(&self) -> MutexGuard<'_, HashMap<IpAddr, Household>> {
        self.households.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<T>(&self, client: Client, now: Timestamp, ask: impl FnOnce(&mut Household) -> T) -> T {
        let household = client.household();
        let mut all = self.households();
        if all.len() >= MOST && !all.contains_key(&household) {
            all.retain(|_, one| !one.is_over(now));
            if all.len() >= MOST {
                all.retain(|_, one| one.sockets > 0);
            }
        }
        ask(all.entry(household).or_default())
    }

    /// A place for a socket; `None` where the household has `most` already.
    pub(crate) fn sit(self: &Arc<Self>, client: Client, now: Timestamp, most: usize) -> Option<Seat> {
        let sits = self.of(client, now, |household| {
            let sits = household.sockets < most;
            household.sockets += usize::from(sits);
            sits
        });
        sits.then(|| Seat { crowd: Arc::clone(self), household: client.household() })
    }

    /// Counts a new session; how long to wait where there are too many.
    pub(crate) fn begin(
        &self,
        client: Client,
        now: Timestamp,
        settings: &ChatSettings,
    ) -> Result<(), Duration> {
        let most = u64::from(settings.sessions_per_address);
        self.of(client, now, |household| household.sessions.take(now, 1, most, SESSION_WINDOW))
    }

    /// Counts bytes of an upload; how long to wait where there were too many.
    pub(crate) fn bring(
        &self,
        client: Client,
        now: Timestamp,
        bytes: u64,
        settings: &ChatSettings,
    ) -> Result<(), Duration> {
        let most = settings.upload_bytes_per_address;
        self.of(client, now, |household| household.bytes.take(now, bytes, most, SESSION_WINDOW))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(household) = self.crowd.households().get_mut(&self.household) {
            household.sockets = household.sockets.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn client(text: &str) -> Client {
        Client(text.parse().unwrap())
    }

    #[test]
    fn t55_t69_a_household_has_its_share_whatever_address_it_takes() {
        let crowd = Arc::new(Crowd::default());
        let settings: ChatSettings = serde_json::from_str(
            r#"{"origins": [], "sessions_per_address": 2, "upload_bytes_per_address": 100}"#,
        )
        .unwrap();
        let begin = |text, second| crowd.begin(client(text), at(second), &settings);
        assert!(begin("2a00::1", 0).is_ok() && begin("2a00::ffff:2", 1).is_ok());
        assert_eq!(begin("2a00::3", 100), Err(Duration::from_secs(500)), "the same /64");
        assert!(begin("2a00:0:0:1::3", 100).is_ok() && begin("2a00::3", 600).is_ok());
        let bring = |bytes, second| crowd.bring(client("192.0.2.1"), at(second), bytes, &settings);
        assert!(
            bring(60, 0).is_ok() && bring(40, 1).is_ok() && bring(1, 2).is_err() && bring(1, 601).is_ok()
        );
        let sit = |text| crowd.sit(client(text), at(0), 2);
        let seats = [sit("192.0.2.7"), sit("::ffff:192.0.2.7")];
        assert!(seats.iter().all(Option::is_some) && sit("192.0.2.7").is_none());
        drop(seats);
        assert!(sit("192.0.2.7").is_some(), "a place is given back");
    }

    #[test]
    fn t55_memory_is_bounded_however_many_come() {
        let crowd = Arc::new(Crowd::default());
        let settings: ChatSettings = serde_json::from_str(r#"{"origins": []}"#).unwrap();
        let here = crowd.sit(client("192.0.2.1"), at(0), 1);
        for number in 0..200_000_u128 {
            let address = IpAddr::from((number << 64).to_be_bytes());
            assert!(
                crowd.begin(Client(address), at(i64::try_from(number / 1000).unwrap()), &settings).is_ok()
            );
        }
        assert!(crowd.households().len() <= MOST);
        assert!(crowd.sit(client("192.0.2.1"), at(200), 1).is_none(), "who is here still counts");
        drop(here);
    }
}
