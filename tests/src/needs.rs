//! What must be installed: a missing server is a loud skip, or a failure where `E2E_REQUIRE` names it.

use std::path::PathBuf;

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "tests are steered through the environment")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where `program` is, on the path or among the system's programs.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether every one of `servers` (`redis`, `dovecot`, `postfix`) can be started here.
///
/// # Panics
/// Where one cannot and `E2E_REQUIRE` names it.
#[must_use]
pub fn has(servers: &[&str]) -> bool {
    let required = variable("E2E_REQUIRE").unwrap_or_default();
    for server in servers {
        let here = match *server {
            "redis" => find("redis-server").is_some(),
            "postfix" => find("postfix").is_some() && is_root(),
            other => find(other).is_some(),
        };
        if !here {
            let is_required = required.split(',').any(|name| name.trim() == *server);
            assert!(!is_required, "{server} is required and cannot be started here; see tests/README.md");
            eprintln!("SKIPPED: {server} cannot be started here; see tests/README.md");
            return false;
        }
    }
    true
}

/// Whether this process is the superuser's.
#[must_use]
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
