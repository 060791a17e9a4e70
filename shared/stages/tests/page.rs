//! The page that every run writes for people.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use pomona_run::Options;
use pomona_run::layout::RunLayout;
use pomona_store::testing::{FailingStore, Operation};
use pomona_store::{LocalStore, Store};
use roxmltree::{Document, ParsingOptions};

/// What stands in the title of every point of the page of a run, with two unusable images, into shards of this size.
async fn titles_of_points(shard_size: u64) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    for image in 0..40 {
        support::write(&input, &format!("<b>{} & co/{image}.png", image % 3), &support::picture(image));
    }
    support::write(&input, "bad/1.png", b"");
    support::write(&input, "bad/2.png", b"no image");
    let options = Options { shard_size, max_reject_share: 0.5, ..Options::default() };
    let summary = support::run(&input, &output, &options, &support::pool(2)).await.unwrap();
    let key = RunLayout::new(summary.plan.run_id.as_str()).page();
    let page = LocalStore::open(&output).unwrap().get(&key).await.unwrap().bytes;
    let page = std::str::from_utf8(&page).unwrap();
    let document =
        Document::parse_with_options(page, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap();
    let points = document.descendants().filter(|node| node.has_tag_name("circle"));
    let points = points.filter(|point| point.attribute("class").is_some_and(|class| class != "dot"));
    points.filter_map(|point| Some(point.first_element_child()?.text()?.to_owned())).collect()
}

#[tokio::test]
async fn every_usable_image_of_a_small_run_is_a_point_on_its_page_however_it_was_cut_into_shards() {
    let titles = titles_of_points(1_000).await;
    let expected = (0..40).map(|image| format!("<b>{0} & co\n<b>{0} & co/{image}.png", image % 3));
    assert_eq!(titles, expected.collect());
    assert_eq!(titles, titles_of_points(2).await);
}

#[tokio::test]
async fn the_page_is_there_before_the_run_counts_as_successful() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    for image in 0..10 {
        support::write(&input, &format!("{image}.png"), &support::picture(image));
    }
    let output = FailingStore::new(Arc::new(LocalStore::create(folder.path().join("out")).unwrap()));
    support::run_into(&input, &output, &Options::default(), &support::pool(1)).await.unwrap();
    let calls = output.calls();
    let written =
        |name: &str| calls.iter().position(|(operation, key)| *operation == Operation::Put && key.ends_with(name));
    let (page, success) = (written("report/report.html").unwrap(), written("_SUCCESS").unwrap());
    assert!(page < success);
}
