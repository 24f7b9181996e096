//! The command line of the chores: one variant a chore, nothing else.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Chores of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
enum Chore {
    /// Installs the servers that tests need (Debian), builds, and runs every test.
    ///
    /// Example: cargo xtask test
    Test {
        /// Installs nothing; what is missing fails the tests that need it.
        #[arg(long)]
        no_install: bool,
        /// Passed on to the test programs, after `--`.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Checks what the compiler cannot: floors, vocabulary, wrappers, sizes, signs, generated files.
    ///
    /// Example: cargo xtask tidy
    Tidy,
    /// Writes the generated files: JSON Schemas and the configuration reference.
    ///
    /// Example: cargo xtask generate
    Generate,
    /// Checks the chat widget with Node: types, tests, size, and that the built file is fresh.
    ///
    /// Example: cargo xtask widget --write
    Widget {
        /// Writes the built file instead of comparing it.
        #[arg(long)]
        write: bool,
    },
    /// Measures the gateway against its floors, in release mode. Never fails a build.
    ///
    /// Example: cargo xtask bench accept-embedded
    Bench {
        /// Names of benches; all without any.
        names: Vec<String>,
    },
}

/// Runs the chore that the command line names.
pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Test { no_install, rest } => crate::test::run(!no_install, &rest),
        Chore::Tidy => crate::tidy::run(),
        Chore::Generate => crate::generate::run(),
        Chore::Widget { write } => crate::widget::run(write),
        Chore::Bench { names } => crate::bench::run(&names),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
