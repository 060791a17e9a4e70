//! `pomona forget`: older runs, and what only they used.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use indicatif::HumanBytes;
use pomona_aws::Executions;
use pomona_results::verify::Tally;
use pomona_run::counted::counted;
use pomona_run::{Location, clock};
use pomona_stages::forget::{self, Forgotten};
use pomona_stages::output::Output;

use crate::{Ending, Error, console, signals};

/// Delete runs that are older than a time, but for the newest successful one, and whatever nobody needs without them
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The folder (or s3://bucket/prefix) with the results
    output: Location,
    /// How old, in days or hours, for instance 30d or 12h
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: TimeDelta,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona forget`.
pub(crate) async fn run(args: ForgetArgs) -> Result<Ending, Error> {
    let output = Output::existing(&args.output).await?;
    let holder = format!("process {} (pomona forget)", std::process::id());
    let received = OnceLock::new();
    let holders = (holder.as_str(), output.holders(&Executions));
    let before = before(args.older_than);
    let forgotten = forget::forget(output.store(), before, holders, signals::wait(&received)).await?;
    let Some(forgotten) = forgotten else { return Ok(received.into_inner().map_or(Ending::Done, Ending::Stopped)) };
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&forgotten)?)?;
    } else {
        console::show(&screen(&forgotten))?;
    }
    Ok(Ending::Done)
}

/// Before anything where that is longer ago than dates go.
fn before(age: TimeDelta) -> DateTime<Utc> {
    clock::now().checked_sub_signed(age).unwrap_or(DateTime::UNIX_EPOCH)
}

fn age(text: &str) -> Result<TimeDelta, String> {
    let age = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((number, "d")) => number.parse::<u32>().ok().and_then(|days| TimeDelta::try_days(days.into())),
        Some((number, "h")) => number.parse::<u32>().ok().and_then(|hours| TimeDelta::try_hours(hours.into())),
        _ => None,
    };
    age.ok_or_else(|| "give days or hours, such as 30d or 12h".to_owned())
}

fn screen(Forgotten { runs, of_runs, shared }: &Forgotten) -> String {
    let size = |tally: &Tally| {
        let files = counted(tally.files, "file", "files").unwrap_or_else(|| "no file".to_owned());
        format!("{files} ({})", HumanBytes(tally.bytes))
    };
    let count = counted(runs.len() as u64, "run", "runs").unwrap_or_else(|| "no run".to_owned());
    format!("forgot      {count}: {}\nunneeded    {} deleted\n", size(of_runs), size(shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_of_days_or_hours() {
        assert_eq!(age("30d"), Ok(TimeDelta::days(30)));
        assert_eq!(age("0h"), Ok(TimeDelta::zero()));
        for wrong in ["", "d", "30", "-1d", "1.5d", "30 d", "1w", "ü"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        assert_eq!(before(TimeDelta::MAX), DateTime::UNIX_EPOCH);
    }
}
