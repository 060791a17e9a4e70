//! The Lambda `trigger`: uploads and deletions start a run.

use pomona_lambda::trigger::Trigger;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = async { Trigger::new(&Settings::from_env()?).await };
    serve(function.await).await
}
