//! The Lambda `plan`: lists the dataset, cuts it into shards, names each shard's work.

use pomona_lambda::plan::Planner;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = Settings::from_env().and_then(|settings| Planner::new(&settings));
    serve(function).await
}
