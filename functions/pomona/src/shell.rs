//! `pomona completions` and `pomona man`: what shells and manuals need.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Cli, Ending, Error, console};

/// Print the completions for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs `pomona completions`.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Ending, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pomona", &mut script);
    console::print(&script)?;
    Ok(Ending::Done)
}

/// Runs `pomona man`: one page with all commands.
pub(crate) fn man() -> Result<Ending, Error> {
    let mut command = Cli::command();
    // Gives each subcommand its full name, `pomona-run` and so on.
    command.build();
    let mut manual = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut manual)?;
    for subcommand in command.get_subcommands() {
        clap_mangen::Man::new(subcommand.clone()).render(&mut manual)?;
    }
    console::print(&manual)?;
    Ok(Ending::Done)
}
