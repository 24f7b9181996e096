//! What Redis answers when it cannot, and what that means: give up, wait, or come back over a new connection.

use lodge_domain::ports::StoreError;
use redis::{ErrorKind, RedisError};

/// Why the store could not be opened. Never holds a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read.
    #[error("the store's address cannot be used: {0}")]
    Address(String),
    /// Nobody answers there, or the server refuses us.
    #[error("cannot reach Redis at {address}: {reason}")]
    Unreachable {
        /// Where, without credentials.
        address: String,
        /// Why, with what to do about it where that is known.
        reason: String,
    },
    /// The server answers, but is not one a contact may be confirmed on.
    #[error("Redis at {address} cannot be used: {reason}")]
    Unfit {
        /// Where, without credentials.
        address: String,
        /// Why, and what to change.
        reason: String,
    },
}

/// What to do about a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: the caller hears it.
    Final(StoreError),
    /// Ask again a little later, on the same connection.
    Later(StoreError),
    /// The outcome may be unknown or the server another one: ask again over a new connection.
    Anew(StoreError),
}

/// Reads a failure.
pub(crate) fn classify(error: &RedisError) -> Verdict {
    let unavailable = |text: String| StoreError::Unavailable(text);
    if let Some(remedy) = denied(error) {
        return Verdict::Final(unavailable(remedy));
    }
    let text = describe(error);
    match error.code() {
        Some("OOM") => Verdict::Final(StoreError::Full(format!(
            "Redis is out of memory ({text}): raise maxmemory or purge; nothing was written"
        ))),
        Some("MISCONF") => Verdict::Final(unavailable(format!(
            "Redis refuses to write because it cannot persist ({text}): free its disk"
        ))),
        Some("LOADING" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" | "BUSY") => {
            Verdict::Later(unavailable(text))
        }
        Some("READONLY" | "MOVED" | "ASK") => Verdict::Anew(unavailable(text)),
        Some("WRONGTYPE" | "DAMAGED") => Verdict::Final(StoreError::Unreadable(text)),
        Some("BADARG" | "CROSSSLOT") => {
            Verdict::Final(unavailable(format!("a script refused its arguments ({text})")))
        }
        _ if is_transport(error) => Verdict::Anew(unavailable(text)),
        _ => Verdict::Final(unavailable(text)),
    }
}

fn is_transport(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || matches!(
            error.kind(),
            ErrorKind::Io
                | ErrorKind::Parse
                | ErrorKind::MasterNameNotFoundBySentinel
                | ErrorKind::NoValidReplicasFoundBySentinel
                | ErrorKind::EmptySentinelList
                | ErrorKind::ClusterConnectionNotFound
        )
}

/// What an operator is told where the server does not let us in.
fn denied(error: &RedisError) -> Option<String> {
    let text = describe(error);
    match error.code() {
        Some("NOAUTH") => Some(format!("Redis wants a password ({text}): put it into the store's url")),
        Some("WRONGPASS") => {
            Some(format!("Redis refuses the user or password ({text}): correct the store's url"))
        }
        Some("NOPERM") => Some(format!(
            "the Redis user lacks a permission ({text}): allow it scripts and the keys ~{{lodge*"
        )),
        _ if error.kind() == ErrorKind::AuthenticationFailed => {
            Some(format!("Redis refuses the user or password ({text}): correct the store's url"))
        }
        _ => None,
    }
}

/// The server's words on one line, shortened. Neither the address nor a password is among them.
pub(crate) fn describe(error: &RedisError) -> String {
    lodge_telemetry::redact::line(&error.to_string(), 300)
}

/// A record that cannot be read.
pub(crate) fn unreadable(what: &str) -> StoreError {
    StoreError::Unreadable(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some("words of the server".to_owned()))
    }

    #[test]
    fn answers_of_the_server_are_told_apart() {
        assert!(matches!(classify(&server("OOM")), Verdict::Final(StoreError::Full(_))));
        assert!(matches!(classify(&server("WRONGTYPE")), Verdict::Final(StoreError::Unreadable(_))));
        for code in ["LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"] {
            assert!(matches!(classify(&server(code)), Verdict::Later(StoreError::Unavailable(_))), "{code}");
        }
        assert!(matches!(classify(&server("READONLY")), Verdict::Anew(_)));
        for code in ["NOAUTH", "WRONGPASS", "NOPERM", "MISCONF", "ERR"] {
            assert!(matches!(classify(&server(code)), Verdict::Final(StoreError::Unavailable(_))), "{code}");
        }
        let reset = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(classify(&reset), Verdict::Anew(_)));
    }
}
