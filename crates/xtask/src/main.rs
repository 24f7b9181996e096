//! Chores of this repository, run as `cargo xtask <chore>`. Never part of the gateway.
//!
//! Start reading in `cli.rs`. What a check demands stands in the first lines of its file under `tidy/`.

mod bench;
mod cli;
mod generate;
mod install;
mod sha256;
mod shell;
mod test;
mod tidy;
mod widget;

fn main() -> std::process::ExitCode {
    cli::run()
}
