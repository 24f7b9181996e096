//! Whether a contact may be confirmed on this server, and what such a contact survives there.
//!
//! Refused: a server before 7.0 (it would run a script halfway when memory is full), and one that evicts records to
//! make room. Everything else is the operator's choice, said in plain words by `check`.
//!
//! Who shares a server with others gives Lodge a user of its own, who reaches Lodge's keys with Lodge's commands and
//! nothing else (T52): `ACL SETUSER lodge on >PASSWORD` followed by [`ACL_RULES`], `user default off`, and in the
//! configuration a secret that holds `rediss://lodge:PASSWORD@…` (TLS; in clear only within one machine).

use crate::connection::Wire;
use crate::error::OpenError;
use lodge_domain::ports::StoreError;
use redis::Value;

/// The rules of a Redis user (`ACL SETUSER`) who may do what this store needs, with Sentinel and in a cluster too, and
/// nothing else: no key of others, no `FLUSHALL`, no `KEYS`, no change of the server's settings.
///
/// Without `+config|get` the store works as well; what a contact survives can then not be told.
pub const ACL_RULES: &str = "resetkeys resetchannels -@all ~{lodge}:* ~{lodge:* \
    +eval +evalsha +append +exists +get +getrange +hdel +hexists +hget +hgetall +hincrby +hlen +hmget +hscan +hset \
    +hsetnx +incrby +llen +lpop +lrange +mget +mset +rpush +sadd +scard +set +sismember +smembers +srem +strlen +unlink +zadd \
    +zcard +zrange +zrangebyscore +zrem +zscore +ping +select +info +role +config|get +cluster|slots";

/// What the server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durability {
    version: String,
    policy: Option<String>,
    limit: Option<u64>,
    append_only: Option<bool>,
    fsync: Option<String>,
    snapshots: Option<bool>,
}

/// Asks the server and refuses one that is unfit.
pub(crate) async fn examine(wire: &Wire) -> Result<Durability, OpenError> {
    let address = wire.address().to_string();
    let found = ask(wire).await.map_err(|error| OpenError::Unreachable {
        address: address.clone(),
        reason: match error {
            StoreError::Unavailable(reason) => reason,
            other => other.to_string(),
        },
    })?;
    if let Some(reason) = found.unfit() {
        return Err(OpenError::Unfit { address, reason });
    }
    if let (Some(policy), Some(0)) = (&found.policy, found.limit)
        && policy != "noeviction"
    {
        tracing::warn!(%policy, "Redis would evict records as soon as a memory limit is set: set maxmemory-policy noeviction");
    }
    Ok(found)
}

/// Asks the server.
pub(crate) async fn ask(wire: &Wire) -> Result<Durability, StoreError> {
    let mut lines = Vec::new();
    for section in ["server", "memory", "persistence"] {
        flatten(wire.command(redis::cmd("INFO").arg(section)).await?, &mut lines);
    }
    let info = lines.join("\n");
    let value = |name: &str| {
        let found = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        found.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
    };
    Ok(Durability {
        version: value("redis_version").unwrap_or_default(),
        policy: value("maxmemory_policy"),
        limit: value("maxmemory").and_then(|text| text.parse().ok()),
        append_only: value("aof_enabled").map(|text| text == "1"),
        fsync: setting(wire, "appendfsync").await,
        snapshots: setting(wire, "save").await.map(|text| !text.is_empty()),
    })
}

/// A setting, where we may ask for it.
async fn setting(wire: &Wire, name: &str) -> Option<String> {
    let answer = wire.command(redis::cmd("CONFIG").arg("GET").arg(name)).await.ok()?;
    let mut words = Vec::new();
    flatten(answer, &mut words);
    let at = words.iter().position(|word| word == name)?;
    words.get(at + 1).cloned()
}

/// All texts of an answer, whatever its shape: a cluster answers with one part for each server.
fn flatten(value: Value, into: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => into.push(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => into.push(text),
        Value::Array(items) | Value::Set(items) => items.into_iter().for_each(|item| flatten(item, into)),
        Value::Map(pairs) => {
            for (key, value) in pairs {
                flatten(key, into);
                flatten(value, into);
            }
        }
        _ => {}
    }
}

impl Durability {
    fn unfit(&self) -> Option<String> {
        let major: u32 = self.version.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        if major < 7 {
            return Some(format!("it is version {:?}; 7.0 or later is needed", self.version));
        }
        let policy = self.policy.as_deref().unwrap_or("noeviction");
        (policy != "noeviction" && self.limit.is_some_and(|limit| limit > 0)).then(|| {
            format!(
                "its maxmemory-policy {policy} evicts records to make room; set maxmemory-policy noeviction"
            )
        })
    }

    /// What an accepted contact survives, in plain words.
    pub(crate) fn words(&self) -> String {
        let kept = match (self.append_only, self.fsync.as_deref(), self.snapshots) {
            (Some(true), Some("always"), _) => {
                "append-only file, written through before each answer: an accepted contact survives a crash and a power \
                 cut; a failover to a replica may lose the last moments"
            }
            (Some(true), Some("everysec"), _) => {
                "append-only file, written through every second: an accepted contact survives a crash of Redis; a power cut \
                 or a failover may lose the last second"
            }
            (Some(true), Some(_), _) => {
                "append-only file, written through when the system likes: a power cut may lose half a minute"
            }
            (Some(true), None, _) => {
                "append-only file; how often it is written through could not be verified (CONFIG is not permitted)"
            }
            (Some(false), _, Some(true)) => {
                "snapshots only: a crash of Redis loses all since the last one; set appendonly yes"
            }
            (Some(false), _, Some(false)) => {
                "no persistence: a restart of Redis loses everything; set appendonly yes"
            }
            _ => "its persistence could not be verified (CONFIG is not permitted)",
        };
        let evicts = match (self.policy.as_deref(), self.limit) {
            (Some("noeviction") | None, _) => String::new(),
            (Some(policy), _) => format!("; with a memory limit its policy {policy} would evict records"),
        };
        format!("Redis {}, {kept}{evicts}", self.version)
    }

    /// Why this server may not be written to any more, where it changed since the start.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.unfit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(policy: &str, limit: u64, fsync: Option<&str>) -> Durability {
        Durability {
            version: "7.0.15".to_owned(),
            policy: Some(policy.to_owned()),
            limit: Some(limit),
            append_only: Some(true),
            fsync: fsync.map(str::to_owned),
            snapshots: None,
        }
    }

    #[test]
    fn an_evicting_or_old_server_is_refused() {
        assert!(server("allkeys-lru", 1, None).unfit().unwrap().contains("noeviction"));
        assert_eq!(server("allkeys-lru", 0, None).unfit(), None);
        assert_eq!(server("noeviction", 1, None).unfit(), None);
        let old = Durability { version: "6.2.14".to_owned(), ..Durability::default() };
        assert!(old.unfit().unwrap().contains("7.0"));
    }

    #[test]
    fn what_it_survives_is_said() {
        assert!(server("noeviction", 0, Some("everysec")).words().contains("last second"));
        assert!(server("noeviction", 0, None).words().contains("could not be verified"));
        assert!(server("volatile-ttl", 0, Some("always")).words().contains("volatile-ttl"));
    }
}
