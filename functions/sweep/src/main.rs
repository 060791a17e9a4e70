//! The Lambda `sweep`: what one group of parts adds to one pass of a fit.

use pomona_lambda::sweep::Sweep;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = Settings::from_env().map(|settings| Sweep::new(&settings));
    serve(function).await
}
