//! The program `pomona`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pomona_cli::main(std::env::args_os()).into()
}
