//! The command line: images in, MobileNetV2 features and principal components out.
//!
//! The program is [`main`]. What else has the same options, the package for Python, takes them from their flags with
//! [`parse`] and runs the pipeline with [`run_observed`].

mod apply;
mod classes;
mod console;
mod cost;
mod demo;
mod doctor;
mod erase;
mod error;
mod forget;
mod inspect;
mod model;
mod pace;
mod problem;
mod progress;
mod redrive;
mod results;
mod run;
mod runtime;
mod search;
mod shell;
mod signals;
mod stack;
mod start;
mod status;
mod stop;
mod summary;
mod usage;
mod verify;
mod watch;

use std::ffi::OsString;
use std::io::IsTerminal;

use clap::{Args, Parser, Subcommand};
use model::Fallback;
use pomona_stages::memory;
use signals::Signal;
use tracing_subscriber::EnvFilter;

pub use error::Error;
pub use model::ModelArgs;
pub use results::ResultsArgs;
pub use run::{RunArgs, run_observed, threads};
pub use runtime::{available_threads, runtime};
pub use search::nearest;

/// Images in, MobileNetV2 features and principal components out.
#[derive(Debug, Parser)]
#[command(name = "pomona", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Demo(demo::DemoArgs),
    Apply(apply::ApplyArgs),
    Inspect(inspect::InspectArgs),
    Search(search::SearchArgs),
    Verify(verify::VerifyArgs),
    Erase(erase::EraseArgs),
    VerifyErasure(erase::VerifyErasureArgs),
    Forget(forget::ForgetArgs),
    Cost(cost::CostArgs),
    Start(start::StartArgs),
    Status(status::StatusArgs),
    Watch(watch::WatchArgs),
    Redrive(redrive::RedriveArgs),
    Stop(stop::StopArgs),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Model(model::ModelCommand),
    Completions(shell::CompletionsArgs),
    /// Print the manual in the format of man
    Man,
}

#[derive(Debug, Args)]
struct OutputArgs {
    /// Say nothing but errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log what is done in detail (more with POMONA_LOG, for instance POMONA_LOG=debug)
    #[arg(long, short, global = true)]
    verbose: bool,
}

/// How a command ended, beside having failed.
enum Ending {
    Done,
    Stopped(Signal),
}

/// The exit code of a command that failed.
const FAILURE: u8 = 1;

/// Does what a command line says, the program's name first, and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    memory::give_large_blocks_back();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version are such errors, too. Where they go nowhere there is nobody to tell.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(FAILURE);
        }
    };
    start_logging(&cli.output);
    let ending = runtime().and_then(|runtime| runtime.block_on(end(cli)));
    match ending {
        Ok(Ending::Done) => 0,
        Ok(Ending::Stopped(signal)) => signal.exit_code(),
        Err(error) => {
            console::tell(&format!("error: {error}"));
            FAILURE
        }
    }
}

/// The options of a command from their flags, such as `--threads=2`; what is not among them has its default.
///
/// # Errors
/// What the command line would print.
pub fn parse<T: Args>(flags: impl IntoIterator<Item = OsString>) -> Result<T, clap::Error> {
    let command = T::augment_args(clap::Command::new("pomona").no_binary_name(true));
    T::from_arg_matches(&command.try_get_matches_from(flags)?)
}

async fn end(cli: Cli) -> Result<Ending, Error> {
    match cli.command {
        Command::Run(args) => run::run(args, Fallback::None, cli.output.quiet).await,
        Command::Demo(args) => demo::run(args, cli.output.quiet).await,
        Command::Apply(args) => apply::run(args, cli.output.quiet).await,
        Command::Inspect(args) => inspect::run(args).await,
        Command::Search(args) => search::run(args, cli.output.quiet).await,
        Command::Verify(args) => verify::run(args, cli.output.quiet).await,
        Command::Erase(args) => erase::run(args, cli.output.quiet).await,
        Command::VerifyErasure(args) => erase::verify(args).await,
        Command::Forget(args) => forget::run(args).await,
        Command::Cost(args) => cost::run(args).await,
        Command::Start(args) => start::run(args, cli.output.quiet).await,
        Command::Status(args) => status::run(args).await,
        Command::Watch(args) => watch::run(args, cli.output.quiet).await,
        Command::Redrive(args) => redrive::run(args).await,
        Command::Stop(args) => stop::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Model(command) => model::run(command, cli.output.quiet),
        Command::Completions(args) => shell::completions(&args),
        Command::Man => shell::man(),
    }
}

fn start_logging(output: &OutputArgs) {
    let level = match output {
        OutputArgs { quiet: true, .. } => "error",
        OutputArgs { verbose: true, .. } => "info",
        // Where AWS's crate looks for a region or for credentials in vain is no warning: the error that follows says
        // what to do.
        _ => "warn,aws_config=error",
    };
    let filter = EnvFilter::try_from_env("POMONA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(wants_colours && std::io::stderr().is_terminal())
        // It would be told on standard error, which is what has just failed, and panic.
        .log_internal_errors(false)
        .init();
}
