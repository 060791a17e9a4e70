//! The Lambda `reduce`: merges moments (one group of them, or the last ones) and fits the PCA.

use pomona_lambda::reduce::Reduce;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = Settings::from_env().map(|_| Reduce::default());
    serve(function).await
}
