//! The scripts, put together from `lua/`, and calls of them.
//!
//! One constant text each: whatever comes from outside is an argument. `#!lua` without flags makes the server refuse a
//! script at its door when memory is full, so that none is ever half done; only scripts that read, and those that remove
//! what is no longer needed, run then too.

use redis::{Arg, Cmd};
use std::sync::LazyLock;

const PRELUDE: &str = include_str!("lua/prelude.lua");
const WORK: &str = include_str!("lua/work.lua");
const EFFECTS: &str = include_str!("lua/effects.lua");

/// A script and the hash by which the server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    code: String,
    sha: String,
}

impl Script {
    fn new(text: &str) -> Self {
        let code = text
            .replace("--include prelude\n", PRELUDE)
            .replace("--include work\n", WORK)
            .replace("--include effects\n", EFFECTS);
        let sha = redis::Script::new(&code).get_hash().to_owned();
        Self { code, sha }
    }
}

macro_rules! scripts {
    ($($name:ident)*) => {
        /// All scripts.
        #[derive(Debug)]
        pub(crate) struct Scripts {
            $(pub(crate) $name: Script,)*
        }

        /// The scripts of this build.
        pub(crate) fn scripts() -> &'static Scripts {
            static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
                $($name: Script::new(include_str!(concat!("lua/", stringify!($name), ".lua"))),)*
            });
            &SCRIPTS
        }

        #[cfg(test)]
        const ALL: &[&str] = &[$(include_str!(concat!("lua/", stringify!($name), ".lua")),)*];
    };
}

scripts! {
    accept append apply bootstrap budget bury claim counts dead_page discard expire feed_page forget forget_timeline free hint hold lease note probe
    purge_feed range reorder replay save settle sweep unsave
}

/// A script with its key and arguments; the same bytes however often it is sent.
pub(crate) struct Call {
    script: &'static Script,
    command: Cmd,
}

impl Call {
    /// A call of `script` on the records that `key` heads.
    pub(crate) fn new(script: &'static Script, key: &str) -> Self {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(&script.sha).arg(1).arg(key);
        Self { script, command }
    }

    /// Adds an argument.
    pub(crate) fn arg(&mut self, argument: impl AsRef<[u8]>) -> &mut Self {
        self.command.arg(argument.as_ref());
        self
    }

    /// The same, to build a call in one go.
    pub(crate) fn with(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.arg(argument);
        self
    }

    /// As it is sent first: by hash.
    pub(crate) fn by_hash(&self) -> &Cmd {
        &self.command
    }

    /// As it is sent to a server that does not know the hash: with its text, which the server then keeps.
    pub(crate) fn by_text(&self) -> Cmd {
        let mut command = Cmd::new();
        command.arg("EVAL").arg(&self.script.code);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_starts_with_the_shebang_and_says_what_it_does() {
        for text in ALL {
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[1].starts_with("-- ") && lines[1].contains(" v1: "), "{}", lines[1]);
            let name = lines[1].split(' ').nth(1).unwrap();
            let expected = match name {
                "counts" | "dead_page" | "feed_page" | "range" => "#!lua flags=no-writes",
                "discard" | "expire" | "forget" | "forget_timeline" | "purge_feed" | "sweep" | "unsave" => {
                    "#!lua flags=allow-oom"
                }
                _ => "#!lua",
            };
            assert_eq!(lines[0], expected, "{name}");
            assert!(lines.iter().any(|line| line.starts_with("-- KEYS:")), "{}", lines[1]);
            let body = text.replace("--include", "");
            for word in ["'TIME'", "math.random", "RANDOMKEY", "loadstring"] {
                assert!(!body.contains(word), "{} uses {word}", lines[1]);
            }
        }
        assert!(!scripts().settle.code.contains("--include"));
    }

    #[test]
    fn t52_the_users_rules_name_every_command_of_the_scripts_and_no_other_power() {
        let rules: Vec<&str> = crate::ACL_RULES.split_whitespace().collect();
        let texts = ALL.iter().chain([&PRELUDE, &WORK, &EFFECTS]);
        let calls = texts.flat_map(|text| text.split("call('").skip(1));
        let commands: std::collections::BTreeSet<&str> =
            calls.filter_map(|rest| rest.split('\'').next()).collect();
        assert!(commands.len() > 20, "{commands:?}");
        for command in commands {
            assert!(rules.contains(&format!("+{}", command.to_lowercase()).as_str()), "{command}");
        }
        for power in [
            "allkeys",
            "allcommands",
            "+@all",
            "+keys",
            "+flushall",
            "+flushdb",
            "+config",
            "+acl",
            "+script",
        ] {
            assert!(!rules.contains(&power), "{power}");
        }
    }

    #[test]
    fn a_call_by_text_has_the_same_arguments() {
        let call = Call::new(&scripts().probe, "{lodge}:probe").with([0_u8, 255]);
        let args = |cmd: &Cmd| -> Vec<Vec<u8>> {
            cmd.args_iter()
                .filter_map(|a| if let Arg::Simple(b) = a { Some(b.to_vec()) } else { None })
                .collect()
        };
        assert_eq!(args(call.by_hash())[2..], args(&call.by_text())[2..]);
    }
}
