//! A run in a bucket.

#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use pomona_formats::Error as FileError;
use pomona_results::inspect::{self, Inspection};
use pomona_run::Options;
use pomona_store::testing::S3Server;
use pomona_store::{LocalStore, Store};

async fn inspection(output: &dyn Store) -> Inspection {
    let run_id = inspect::find_run(output, None).await.unwrap();
    inspect::inspect(output, &run_id).await.unwrap()
}

#[tokio::test]
async fn a_run_in_a_bucket_is_inspected_like_one_in_a_folder() {
    let server = S3Server::start();
    server.create_bucket("results").await;
    let bucket = server.store("s3://results/all");
    let nothing = inspect::find_run(&bucket, None).await.unwrap_err();
    assert!(
        matches!(&nothing, FileError::NoRun { .. }) && nothing.to_string().contains("s3://results/all"),
        "{nothing}"
    );

    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    (0..12).for_each(|image| {
        support::write(&input, &format!("class {}/{image}.png", image % 3), &support::picture(image))
    });
    support::write(&input, "class 0/nothing.png", b"");
    let local = LocalStore::create(folder.path().join("out")).unwrap();
    let options = Options { max_reject_share: 0.5, ..Options::default() };
    for output in [&bucket as &dyn Store, &local] {
        support::run_into(&input, output, &options, &support::pool(1)).await.unwrap();
    }

    let (in_bucket, in_folder) = (inspection(&bucket).await, inspection(&local).await);
    assert_eq!(in_bucket.classes, in_folder.classes);
    assert_eq!((in_bucket.info.num_images_listed, &in_bucket.info.rejects), (13, &in_folder.info.rejects));
    assert_eq!(in_bucket.info.variance_by_component, in_folder.info.variance_by_component);
    assert!(in_bucket.validation.checks.iter().all(|check| check.passed));
    let files = |inspection: &Inspection| -> Vec<(String, u64)> {
        inspection.folders.iter().map(|(name, size)| (name.clone(), size.files)).collect()
    };
    assert_eq!(files(&in_bucket), files(&in_folder));
}
