//! What the Lambda `plan` says of itself: whether it starts at all, whether its role may read the input, and whom it
//! reaches from where it is.

use pomona_run::diagnosis::{Diagnosis, Reach};
use serde_json::json;

use crate::account::Account;
use crate::finding::Finding;
use crate::lambda::{self, Called, FunctionSettings};
use crate::stack::Stack;

/// Calls it.
pub(crate) async fn ask(account: &Account, stack: &Stack, plan: Option<&FunctionSettings>) -> Vec<Finding> {
    let event = json!({"task": "diagnose", "execution": stack.execution_named("doctor")});
    match lambda::call(account, &format!("{}-plan", stack.name()), &event).await {
        Ok(Called::Answered(answer)) => match serde_json::from_value::<Diagnosis>(answer) {
            Ok(diagnosis) => findings(&diagnosis),
            Err(_) => vec![of_another_version()],
        },
        Ok(Called::Failed { message, .. }) if message.starts_with("the event cannot be used") => {
            vec![of_another_version()]
        }
        Ok(Called::Failed { error, message }) if error.starts_with("Runtime.") => {
            vec![does_not_start(&error, &message, plan)]
        }
        Ok(Called::Failed { error, message }) => vec![refuses(&error, message)],
        Err(error) => vec![Finding::unknown("lambdas", &error)],
    }
}

fn findings(diagnosis: &Diagnosis) -> Vec<Finding> {
    let Diagnosis { version, architecture, input, output, states } = diagnosis;
    vec![lambdas(version, architecture), images(*input), results(*output), network(*states)]
}

fn lambdas(version: &str, architecture: &str) -> Finding {
    let (found, own) =
        (format!("plan starts, is version {version}, built for {architecture}"), env!("CARGO_PKG_VERSION"));
    if version == own {
        return Finding::good("lambdas", found);
    }
    Finding::poor(
        "lambdas",
        found,
        format!("this program is version {own}; deploy the stack anew, or take that version"),
    )
}

fn images(input: Reach) -> Finding {
    let unfit = |found: &str, remedy: &str| Finding::unfit("images", found.to_owned(), remedy.to_owned());
    match input {
        Reach::Reached => Finding::good("images", "plan can read an image of the stack's input".to_owned()),
        Reach::Empty => Finding::good("images", "the stack's input holds no image yet".to_owned()),
        Reach::Denied => unfit(
            "plan may not read the stack's input",
            "see that InputBucketName and InputPrefix are right, and that the bucket's policy allows the stack's roles",
        ),
        Reach::NeedsKey => unfit(
            "plan may list the stack's input, but not use the KMS key that it is encrypted with",
            "deploy with InputBucketKmsKeyArn, and let the key's own policy allow the stack's roles",
        ),
        Reach::Archived => unfit(
            "the first image of the stack's input is archived",
            "restore it, or leave those that are archived out of runs with `exclude`",
        ),
        Reach::Unreachable => unfit("plan does not reach S3", ENDPOINTS),
    }
}

fn results(output: Reach) -> Finding {
    let unfit = |found: &str, remedy: &str| Finding::unfit("output", found.to_owned(), remedy.to_owned());
    match output {
        Reach::Reached => Finding::good("output", "plan can list, write, read and delete there".to_owned()),
        Reach::Empty => Finding::good("output", "the stack has none of its own; each run names one".to_owned()),
        Reach::Denied | Reach::Archived => unfit(
            "plan may not list, write, read and delete at the stack's output",
            "see that OutputBucketName and OutputPrefix are right, and that the bucket's policy allows the stack's roles",
        ),
        Reach::NeedsKey => unfit(
            "plan may not use the KMS key that the stack's output is encrypted with",
            "deploy with OutputBucketKmsKeyArn, and let the key's own policy allow the stack's roles",
        ),
        Reach::Unreachable => unfit("plan does not reach S3", ENDPOINTS),
    }
}

fn network(states: Reach) -> Finding {
    if states == Reach::Reached {
        return Finding::good("network", "plan reaches Step Functions".to_owned());
    }
    Finding::unfit("network", "plan does not reach Step Functions".to_owned(), ENDPOINTS.to_owned())
}

const ENDPOINTS: &str = "give its VPC the endpoints that infra/README.md lists, private DNS switched on, and let its \
                         security group reach HTTPS";

fn of_another_version() -> Finding {
    let found = "plan does not know the question: it is of another version than this program".to_owned();
    Finding::poor("lambdas", found, "deploy the stack anew".to_owned())
}

/// It starts, and its settings are refused: the message says which.
fn refuses(error: &str, message: String) -> Finding {
    Finding::unfit("lambdas", format!("plan cannot work: {error}"), message)
}

/// A process of another architecture ends before it answers.
fn does_not_start(error: &str, message: &str, plan: Option<&FunctionSettings>) -> Finding {
    let runs_on = plan.map_or_else(String::new, |plan| format!(" on {}", plan.architectures.join(", ")));
    Finding::unfit(
        "lambdas",
        format!("plan does not start{runs_on}: {error}: {message}"),
        "build and deploy with the same Architecture: it stands in infra/samconfig.toml for both; the function's log \
         says more"
            .to_owned(),
    )
}
