//! Whether everything that a run needs is there.

use pomona_run::pace;

use crate::account::Account;
use crate::encryption::encryption;
use crate::error::Error;
use crate::finding::Finding;
use crate::lambda::{self, FunctionSettings};
use crate::plan_says;
use crate::stack::Stack;

/// Looks at region, credentials, stack, Lambda concurrency, the Lambdas' memory, the encryption of the images, and what
/// plan says of its rights and its network, in this order. Where one is bad, those that depend on it are not asked
/// about.
pub async fn diagnose(account: Result<Account, Error>, stack: &str) -> Vec<Finding> {
    let account = match account {
        Ok(account) => account,
        Err(error) => return vec![Finding::bad("region", &error)],
    };
    let mut findings = vec![Finding::good("region", account.region().to_owned())];
    match account.identity().await {
        Ok(identity) => findings.push(Finding::good("credentials", identity.arn)),
        Err(error) => {
            findings.push(Finding::bad("credentials", &error));
            return findings;
        }
    }
    let found = match Stack::find(&account, stack).await {
        Ok(found) => found,
        Err(error) => {
            findings.push(Finding::bad("stack", &error));
            findings.push(concurrency(&account, pace::SHARDS.get()).await);
            return findings;
        }
    };
    findings.push(Finding::good("stack", found.state_machine().to_owned()));
    let plan = lambda::function(&account, &format!("{stack}-plan")).await;
    findings.push(concurrency(&account, at_once(plan.as_ref().ok())).await);
    findings.push(memory(&account, stack, &plan).await);
    findings.push(encryption(&account, stack, &plan).await);
    findings.extend(plan_says::ask(&account, &found, plan.ok().as_ref()).await);
    findings
}

/// Shards that the stack's runs work on at once.
fn at_once(plan: Option<&FunctionSettings>) -> u32 {
    let own = plan.and_then(|plan| plan.environment.variables.get("POMONA_MAX_CONCURRENCY")?.parse().ok());
    own.unwrap_or(pace::SHARDS.get())
}

/// New accounts may have 10 Lambdas at once; 1,000 is the default (Lambda guide, quotas; `infra/README.md`).
async fn concurrency(account: &Account, at_once: u32) -> Finding {
    let limit = match lambda::account_limit(account).await {
        Ok(limit) => limit,
        Err(error) => return Finding::unknown("concurrency", &error),
    };
    let (free, all) = (limit.unreserved_concurrent_executions, limit.concurrent_executions);
    let found = format!("{free} of {all} Lambdas at once are free for a run, which works on {at_once} shards at once");
    if free >= u64::from(at_once) {
        return Finding::good("concurrency", found);
    }
    let remedy = format!(
        "deploy the stack with MaxConcurrency={0}, or start runs with `--max-concurrency {0}`; more shards at once wait \
         for each other, for hours where they are many. Ask for more under Service Quotas, AWS Lambda, Concurrent \
         executions (new accounts have few)",
        free.max(1)
    );
    Finding::unfit("concurrency", found, remedy)
}

/// A new account's lower memory quota (Lambda guide, quotas) cannot be asked for, but what is deployed was within it:
/// here the functions whose memory is a parameter of the template.
async fn memory(account: &Account, stack: &str, plan: &Result<FunctionSettings, Error>) -> Finding {
    let list_batch = lambda::function(account, &format!("{stack}-list-batch")).await;
    let mut each = Vec::new();
    for (function, settings) in [("plan", plan), ("list-batch", &list_batch)] {
        match settings {
            Ok(settings) => each.push(format!("{function} has {} MB", settings.memory_size)),
            Err(error) => return Finding::unknown("memory", error),
        }
    }
    let found = format!(
        "{}; a new account may be refused a deployment with more (PlanMemory, ListBatchMemory) until AWS Support \
         raises its quota",
        each.join(", ")
    );
    Finding::good("memory", found)
}
