//! `pomona doctor`: whether AWS is ready for a run.

use clap::Args;
use pomona_aws::{Account, Finding, Verdict};

use crate::stack::StackArgs;
use crate::{Ending, Error, console};

/// Check credentials, region, stack and quotas for runs on AWS, and say how to mend what is missing
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    stack: StackArgs,
}

/// Runs `pomona doctor`.
pub(crate) async fn run(args: DoctorArgs) -> Result<Ending, Error> {
    let findings = pomona_aws::diagnose(Account::open().await, &args.stack.stack).await;
    console::show(&findings.iter().map(lines).collect::<String>())?;
    let is_ready = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    if is_ready { Ok(Ending::Done) } else { Err(Error::NotReady) }
}

/// What was found, and below it how to mend it.
fn lines(Finding { subject, verdict, found, remedy }: &Finding) -> String {
    let remedy = remedy.as_ref().map_or_else(String::new, |remedy| format!("{:<21} {remedy}\n", ""));
    format!("{verdict:<8} {subject:<12} {found}\n{remedy}")
}
