//! `pomona completions` and `pomona man`: what shells and manuals need.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Cli, Ending, Error};

/// Print the completions for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs `pomona completions`.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Ending, Error> {
    clap_complete::generate(args.shell, &mut Cli::command(), "pomona", &mut std::io::stdout());
    Ok(Ending::Done)
}

/// Runs `pomona man`: one page with all commands.
pub(crate) fn man() -> Result<Ending, Error> {
    let mut command = Cli::command();
    // Gives each subcommand its full name, `pomona-run` and so on.
    command.build();
    let mut out = std::io::stdout();
    clap_mangen::Man::new(command.clone()).render(&mut out)?;
    for subcommand in command.get_subcommands() {
        clap_mangen::Man::new(subcommand.clone()).render(&mut out)?;
    }
    Ok(Ending::Done)
}
