//! The program `pomona`.

mod allocator;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    pomona_cli::main(std::env::args_os()).into()
}
