//! The Lambda `report`: adds up the shards' counters, validates, writes the reports, marks success.

use pomona_lambda::report::Report;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = Settings::from_env().map(|settings| Report::new(&settings));
    serve(function).await
}
