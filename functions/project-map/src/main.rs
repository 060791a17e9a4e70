//! The Lambda `project-map`: one shard of features becomes its rows of the final tables.

use pomona_lambda::project_map::ProjectMap;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = Settings::from_env().map(|_| ProjectMap::default());
    serve(function).await
}
