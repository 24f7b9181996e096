//! The `lodge` program.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// What a short request leaves behind must not stay scattered between sessions that last for hours (ADR 0014).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    lodge::cli::main()
}
