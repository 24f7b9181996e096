//! Named places where a test may stop the process, slow it down, or make a step fail.
//!
//! `LODGE_FAILPOINTS="name=2*exit;other=sleep(500)"`: on its second pass `name` ends the process at once, as `kill -9`
//! would; `other` sleeps 500 ms each time; `error` makes [`fails_at`] answer true. Compiled out of release builds unless
//! the feature `failpoints` is on. Names start with the crash point they stand for (`c7-…`, protocol of the design).

/// What a fail point does when it fires.
#[cfg(any(debug_assertions, feature = "failpoints"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Exit,
    Sleep(u64),
    Error,
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod active {
    use super::Action;
    use std::collections::HashMap;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(super) struct Point {
        pub(super) action: Action,
        on_pass: Option<u64>,
        passes: AtomicU64,
    }

    #[expect(clippy::disallowed_methods, reason = "a test switch, absent from release builds")]
    static POINTS: LazyLock<HashMap<String, Point>> = LazyLock::new(|| {
        let text = std::env::var("LODGE_FAILPOINTS").unwrap_or_default();
        text.split(';').filter_map(parse).collect()
    });

    pub(super) fn parse(entry: &str) -> Option<(String, Point)> {
        let (name, spec) = entry.trim().split_once('=')?;
        let (on_pass, action) = match spec.split_once('*') {
            Some((count, action)) => (Some(count.parse().ok()?), action),
            None => (None, spec),
        };
        let action = match action {
            "exit" => Action::Exit,
            "error" => Action::Error,
            other => Action::Sleep(other.strip_prefix("sleep(")?.strip_suffix(')')?.parse().ok()?),
        };
        Some((name.to_owned(), Point { action, on_pass, passes: AtomicU64::new(0) }))
    }

    pub(super) fn fires(name: &str) -> Option<Action> {
        let point = POINTS.get(name)?;
        let pass = point.passes.fetch_add(1, Ordering::Relaxed) + 1;
        (point.on_pass.is_none_or(|on| on == pass)).then_some(point.action)
    }
}

/// Passes the point `name`: may end the process, or block this thread for a while.
pub fn pass(name: &str) {
    fails(name);
}

/// Passes the point `name`; true where the step that follows is to fail.
#[must_use]
pub fn fails_at(name: &str) -> bool {
    fails(name)
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
fn fails(name: &str) -> bool {
    match active::fires(name) {
        None => false,
        Some(Action::Exit) => std::process::abort(),
        Some(Action::Sleep(millis)) => {
            std::thread::sleep(std::time::Duration::from_millis(millis));
            false
        }
        Some(Action::Error) => true,
    }
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
fn fails(_name: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::{Action, active};

    #[test]
    fn entries_are_read() {
        assert_eq!(
            active::parse("c7-x=2*exit").map(|(n, p)| (n, p.action)),
            Some(("c7-x".to_owned(), Action::Exit))
        );
        assert_eq!(active::parse("a=sleep(5)").map(|(_, p)| p.action), Some(Action::Sleep(5)));
        assert!(active::parse("a=what").is_none());
        assert!(!super::fails_at("not-set"));
    }
}
