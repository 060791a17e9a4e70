//! S3, as moto emulates it, passes the suite.

use std::sync::{Arc, OnceLock};

use pomona_store::Store;
use pomona_store::testing::S3Server;
use tokio::sync::OnceCell;

static SERVER: OnceLock<S3Server> = OnceLock::new();
static BUCKET: OnceCell<()> = OnceCell::const_new();

/// All tests share one server and one location; it ends with this program.
async fn bucket() -> (Arc<dyn Store>, ()) {
    let server = SERVER.get_or_init(S3Server::start);
    BUCKET.get_or_init(|| server.create_bucket("images")).await;
    (Arc::new(server.store("s3://images/below a/prefix+")), ())
}

pomona_store::conformance_tests!(bucket);
