//! The Lambda `erase`: a step of an erasure, or what one group of files or one part adds to it.

use pomona_lambda::erase::Erase;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = Settings::from_env().map(|settings| Erase::new(&settings));
    serve(function).await
}
