//! S3, as moto emulates it, passes the suite.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use pomona_store::Store;
use pomona_store::testing::{S3Server, conformance};
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

#[tokio::test]
async fn a_bucket_keeps_versions_until_they_are_deleted_and_parts_until_their_upload_is_ended() {
    let server = SERVER.get_or_init(S3Server::start);
    server.create_bucket("with-versions").await;
    let client = server.client();
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let request = client.put_bucket_versioning().bucket("with-versions").versioning_configuration(versioning);
    request.send().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(server.store("s3://with-versions/below"));
    conformance::all_that_was_written_can_be_read_and_deleted_for_good(store.clone()).await;

    // More than a page.
    for _ in 0..3 {
        let keys: Vec<String> = (0..400).map(|file| format!("pages/{file}")).collect();
        let writes = keys.iter().map(|key| store.put(key, "content".into()));
        futures::future::try_join_all(writes).await.unwrap();
    }
    let versions = store.versions("pages/").await.unwrap();
    assert_eq!((versions.len(), versions.iter().filter(|version| version.is_current()).count()), (1_200, 400));
    let ids: BTreeSet<_> = versions.iter().map(|version| &version.id).collect();
    assert_eq!(ids.len(), versions.len());

    for key in ["below/a", "below/b c", "below/users.jpg", "beside/a"] {
        client.create_multipart_upload().bucket("with-versions").key(key).send().await.unwrap();
    }
    store.settle(&|key| !key.ends_with(".jpg")).await.unwrap();
    let uploads = client.list_multipart_uploads().bucket("with-versions").send().await.unwrap();
    let left: Vec<_> = uploads.uploads().iter().filter_map(|upload| upload.key()).collect();
    assert_eq!(left, ["below/users.jpg", "beside/a"]);
}
