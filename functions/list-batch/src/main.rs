//! The Lambda `list-batch`: one shard of the images: decode, MobileNetV2, features, rejects, moments.

use pomona_lambda::list_batch::ListBatch;
use pomona_lambda::{Settings, serve, start_logging};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    start_logging();
    let function = Settings::from_env().and_then(|settings| ListBatch::new(&settings));
    serve(function).await
}
