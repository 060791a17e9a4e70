//! `pomona verify`: whether everything below an output is what was written, and what nobody needs.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::Args;
use indicatif::HumanBytes;
use pomona_aws::Executions;
use pomona_formats::erasure::notice_of_not_done;
use pomona_results::verify::{Counts, Observer, Tally, Unchecked, Unneeded, Verification};
use pomona_run::Location;
use pomona_run::counted::counted;
use pomona_run::visible::visible;
use pomona_stages::lock::UnknownHolders;
use pomona_stages::open;
use pomona_stages::output::Output;
use pomona_stages::repair::Repaired;
use pomona_stages::verify::{self, Mending, Verified};
use serde::Serialize;

use crate::progress::{Bar, Progress};
use crate::{Ending, Error, console, signals};

/// Files of a kind that are named; JSON names all.
const SHOWN: usize = 20;
/// Of those that are said together, fewer.
const SHOWN_TOGETHER: usize = 3;

/// Read everything below an output and say what is whole, what is not, and what nobody needs
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The folder (or s3://bucket/prefix) with the results
    output: Location,
    /// Make good what is damaged as far as nothing need be computed; `pomona run` makes the rest anew
    #[arg(long)]
    repair: bool,
    /// Delete what nobody needs
    #[arg(long)]
    prune: bool,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona verify`.
pub(crate) async fn run(args: VerifyArgs, quiet: bool) -> Result<Ending, Error> {
    let mending = Mending { repairs: args.repair, prunes: args.prune };
    let progress = Reading { progress: Progress::new(quiet), bar: Mutex::default() };
    let received = OnceLock::new();
    let stopped = signals::wait(&received);
    let holder = format!("process {} (pomona verify)", std::process::id());
    let verified = if mending.is_any() {
        let output = Output::existing(&args.output).await?;
        verify::verify(output.store(), mending, (&holder, output.holders(&Executions)), &progress, stopped).await?
    } else {
        let output = open::open(&args.output).await?;
        verify::verify(output.as_ref(), mending, (&holder, &UnknownHolders), &progress, stopped).await?
    };
    drop(progress);
    let Some(verified) = verified else { return Ok(received.into_inner().map_or(Ending::Done, Ending::Stopped)) };
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&Report::of(&verified))?)?;
    } else {
        console::show(&screen(&verified))?;
    }
    if verified.is_whole() { Ok(Ending::Done) } else { Err(not_whole(&verified)) }
}

/// A bar over all bytes.
struct Reading {
    progress: Progress,
    bar: Mutex<Option<Bar>>,
}

impl Observer for Reading {
    fn begun(&self, bytes: u64) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.progress.bar_of_bytes("verify", bytes));
    }

    fn bytes_looked_at(&self, bytes: u64) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            bar.advance_by(bytes);
        }
    }
}

/// What is printed for scripts.
#[derive(Serialize)]
struct Report<'a> {
    is_whole: bool,
    counts: Counts,
    #[serde(flatten)]
    found: &'a Verification,
    repaired: Option<&'a Repaired>,
    pruned: Option<Tally>,
}

impl<'a> Report<'a> {
    fn of(verified: &'a Verified) -> Self {
        let Verified { found, repaired, pruned } = verified;
        Self {
            is_whole: verified.is_whole(),
            counts: found.counts(),
            found,
            repaired: repaired.as_ref(),
            pruned: *pruned,
        }
    }
}

fn not_whole(verified: &Verified) -> Error {
    let Counts { damaged, missing, .. } = verified.found.counts();
    let advice = match verified.repaired {
        None => "`--repair` makes good what can be, and `pomona run` makes the rest anew",
        Some(_) => "what was not made good is said above, with what to do",
    };
    let location = verified.found.location.clone();
    Error::NotWhole { location, damaged: damaged.files, missing: missing.files, advice }
}

fn screen(verified: &Verified) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_screen(&mut text, verified);
    text
}

fn write_screen(out: &mut String, verified: &Verified) -> std::fmt::Result {
    let found = &verified.found;
    let counts = found.counts();
    writeln!(out, "output      {}", visible(&found.location))?;
    if let Some(run_id) = &found.going_on {
        writeln!(out, "in use      by {run_id}; what it is making is not checked, and nothing is called missing")?;
    }
    for run_id in &found.in_doubt {
        writeln!(out, "in doubt    a list of run {run_id} cannot be read: nothing that runs share is called unneeded")?;
    }
    if let Some(notice) = notice_of_not_done(found.not_erased.len(), &visible(&found.location)) {
        writeln!(out, "not erased  {notice}")?;
    }
    for (name, tally) in [("whole", counts.whole), ("damaged", counts.damaged)] {
        writeln!(out, "{name:<11} {}", size(tally))?;
    }
    writeln!(out, "missing     {}", files(counts.missing.files))?;
    for (name, tally) in [("unneeded", counts.unneeded), ("unchecked", counts.unchecked)] {
        writeln!(out, "{name:<11} {}", size(tally))?;
    }
    writeln!(out, "unknown     {}", files(counts.unknown.files))?;
    let damaged = found.damaged.iter().map(|file| (&file.file, format!("{}; {}", file.problem, file.follows)));
    write_each(out, "damaged", damaged)?;
    write_each(out, "missing", found.missing.iter().map(|file| (&file.file, file.follows.to_string())))?;
    let unneeded = found.unneeded.iter().map(|Unneeded { file, bytes, reason }| (*reason, file, *bytes));
    let title = if verified.pruned.is_some() { "unneeded" } else { "unneeded (`--prune` deletes them)" };
    write_together(out, title, unneeded)?;
    let unchecked = found.unchecked.iter().map(|Unchecked { file, bytes, reason }| (*reason, file, *bytes));
    write_together(out, "unchecked", unchecked)?;
    if !found.unknown.is_empty() {
        writeln!(out, "\nunknown: no run writes what is called so")?;
        write_names(out, "  ", &found.unknown.iter().collect::<Vec<_>>())?;
    }
    if let Some(repaired) = &verified.repaired {
        write_repaired(out, repaired)?;
    }
    if let Some(pruned) = verified.pruned {
        writeln!(out, "\npruned      {}", size(pruned))?;
    }
    Ok(())
}

fn write_each<'a>(
    out: &mut String,
    title: &str,
    each: impl ExactSizeIterator<Item = (&'a String, String)>,
) -> std::fmt::Result {
    let more = each.len().saturating_sub(SHOWN);
    for (number, (file, text)) in each.take(SHOWN).enumerate() {
        if number == 0 {
            writeln!(out, "\n{title}")?;
        }
        writeln!(out, "  {}\n      {text}", visible(file))?;
    }
    write_more(out, "  ", more)
}

/// Files of the same reason together.
fn write_together<'a, R: Ord + Display>(
    out: &mut String,
    title: &str,
    each: impl Iterator<Item = (R, &'a String, u64)>,
) -> std::fmt::Result {
    let mut by_reason: BTreeMap<R, (Tally, Vec<&String>)> = BTreeMap::new();
    for (reason, file, bytes) in each {
        let (tally, files) = by_reason.entry(reason).or_default();
        tally.add(bytes);
        files.push(file);
    }
    for (number, (reason, (tally, files))) in by_reason.into_iter().enumerate() {
        if number == 0 {
            writeln!(out, "\n{title}")?;
        }
        writeln!(out, "  {}: {reason}", size(tally))?;
        write_names(out, "      ", &files)?;
    }
    Ok(())
}

fn write_names(out: &mut String, indent: &str, names: &[&String]) -> std::fmt::Result {
    for name in names.iter().take(SHOWN_TOGETHER) {
        writeln!(out, "{indent}{}", visible(name))?;
    }
    write_more(out, indent, names.len().saturating_sub(SHOWN_TOGETHER))
}

fn write_more(out: &mut String, indent: &str, more: usize) -> std::fmt::Result {
    if more > 0 { writeln!(out, "{indent}... and {more} more (`--json` names all)") } else { Ok(()) }
}

fn write_repaired(out: &mut String, Repaired { restored, set_aside, withdrawn, left }: &Repaired) -> std::fmt::Result {
    writeln!(out, "\nrepaired    {} restored, {} set aside", files(restored.len() as u64), set_aside.len())?;
    write_names(out, "restored    ", &restored.iter().collect::<Vec<_>>())?;
    write_names(out, "set aside   ", &set_aside.iter().collect::<Vec<_>>())?;
    for run_id in withdrawn {
        writeln!(
            out,
            "withdrawn   run {run_id} is no result any more, and a source of what need not be computed again; a run \
             over the same images with the same options makes its results again"
        )?;
    }
    for left in left {
        writeln!(out, "left        {}: {}", visible(&left.file), left.why)?;
    }
    if !set_aside.is_empty() {
        writeln!(out, "next        `pomona run` makes anew what it needs of that")?;
    }
    Ok(())
}

fn size(tally: Tally) -> String {
    match tally.files {
        0 => "none".to_owned(),
        count => format!("{} ({})", files(count), HumanBytes(tally.bytes)),
    }
}

fn files(count: u64) -> String {
    counted(count, "file", "files").unwrap_or_else(|| "none".to_owned())
}
