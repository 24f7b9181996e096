//! Counts who is here: no IPv4 address and no IPv6 /64 (what one customer of a provider has) takes more than its share
//! (T69). Holds an entry only for who is here now.

use lodge_channel::Client;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The clients that are here.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    here: Mutex<HashMap<IpAddr, usize>>,
}

/// Somebody's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    client: IpAddr,
}

impl Crowd {
    /// Up to `most` places for each client.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, here: Mutex::default() })
    }

    /// A place for `client`; `None` where it has all of its share.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let client = Client(client).household();
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let count = here.entry(client).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { crowd: Arc::clone(self), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut here = self.crowd.here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = here.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                here.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn t69_a_household_has_its_share_and_gives_it_back() {
        let crowd = Crowd::new(2);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = crowd.enter(ip("2a00::1"));
        let second = crowd.enter(ip("2a00::ffff:2"));
        assert!(first.is_some() && second.is_some());
        assert!(crowd.enter(ip("2a00::3")).is_none(), "the same /64");
        assert!(crowd.enter(ip("2a00:0:0:1::3")).is_some(), "another /64");
        drop(first);
        assert!(crowd.enter(ip("2a00::3")).is_some());
        let both = [crowd.enter(ip("192.0.2.1")), crowd.enter(ip("::ffff:192.0.2.1"))];
        assert!(both.iter().all(Option::is_some) && crowd.enter(ip("192.0.2.1")).is_none());
        drop((second, both));
        assert!(crowd.here.lock().unwrap().is_empty());
    }
}
