//! The `lodge` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    lodge::cli::main()
}
