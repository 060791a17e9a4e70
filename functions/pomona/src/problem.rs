//! What an error of a run on AWS said: Step Functions knows only where that lies.

use pomona_aws::Status;
use pomona_formats::problem::Problem;
use pomona_run::Location;
use pomona_stages::open;

/// The status with the error's message as its cause, where that may be read. Otherwise the cause names its place.
pub(crate) async fn with_message(mut status: Status) -> Status {
    if let Some(failure) = &mut status.failure
        && let Some(message) = message(&failure.cause).await
    {
        failure.cause = message;
    }
    status
}

async fn message(cause: &str) -> Option<String> {
    let (output, key) = place(cause)?;
    let found = open::open(&output).await.ok()?.get(&key).await.ok()?;
    serde_json::from_slice(&found.bytes).ok().map(|Problem { message, .. }| message)
}

/// The output, and the key of the problem that the cause names.
fn place(cause: &str) -> Option<(Location, String)> {
    let place = cause.split(' ').find(|word| word.starts_with("s3://") && word.contains("/problems/"))?;
    let (output, key) = place.split_once("/runs/")?;
    Some((output.parse().ok()?, format!("runs/{key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_problem_is_taken_out_of_the_cause() {
        let (output, key) = place("the stage failed; s3://b/all/runs/1/problems/Pomona.Busy-0.json says more").unwrap();
        assert_eq!((output, key.as_str()), ("s3://b/all".parse().unwrap(), "runs/1/problems/Pomona.Busy-0.json"));
        for cause in ["", "somebody stopped it", "s3://b/all/runs/1/errors/ says more", "no s3:// /problems/"] {
            assert!(place(cause).is_none(), "{cause}");
        }
    }
}
