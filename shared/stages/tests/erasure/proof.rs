//! What proves an erasure, and what keeps it in force.

use pomona_formats::erasure::Signature;
use pomona_formats::json;
use pomona_formats::signature::{PublicKey, SigningKey};
use pomona_formats::suppressed::Suppressed;
use pomona_run::layout::SUPPRESSED;
use roxmltree::{Document, ParsingOptions};

use super::*;

/// The keys of the second and the third test in RFC 8032, section 7.1.
pub const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=
-----END PUBLIC KEY-----
";
const ANOTHER: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=
-----END PUBLIC KEY-----
";

async fn signature(output: &dyn Store, key: &str) -> Signature {
    let key = PublicKey::from_pem(key.as_bytes()).unwrap();
    erase::check(output, Some(&key)).await.unwrap().done[0].signature.unwrap()
}

#[tokio::test]
async fn a_certificate_is_signed_by_whoever_has_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let key = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap();
    let signing_key = Some(&key);
    let eraser = Eraser {
        output: &output,
        holder: "a test",
        holders: &NoOtherHolders,
        threads: 1,
        older: Older::Delete,
        signing_key,
    };
    let wish = Wish { which: keys([7]), because: None };
    let erased = eraser.erase(Some(&wish), &Silent, std::future::pending()).await.unwrap().unwrap();
    assert_eq!(signature(&output, PUBLIC).await, Signature::Good);
    assert_eq!(signature(&output, ANOTHER).await, Signature::Wrong);
    output.delete(&layout::erasure_signature(&erased.certificates[0].request.id)).await.unwrap();
    assert_eq!(signature(&output, PUBLIC).await, Signature::Missing);
    assert_eq!(erase::check(&output, None).await.unwrap().done[0].signature, None);
}

#[tokio::test]
async fn the_page_says_what_the_certificate_does_and_names_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let Erased { certificates, .. } = erase(&output, Some(keys([7, 8]))).await.unwrap();
    let Certificate { request, deleted, run, beyond, .. } = &certificates[0];
    let page = output.get(&layout::erasure_page(&request.id)).await.unwrap().bytes;
    let page = std::str::from_utf8(&page).unwrap();
    let document =
        Document::parse_with_options(page, ParsingOptions { allow_dtd: true, ..Default::default() }).unwrap();
    let text: String = document.descendants().filter_map(|node| node.text()).collect::<Vec<_>>().join(" ");
    let certificate = output.get(&layout::erasure_certificate(&request.id)).await.unwrap().bytes;
    let sha256 = pomona_run::names::digest(&certificate);
    for said in ["Certificate of erasure", "2\u{a0}images", "Art. 17", &request.salt, &sha256]
        .into_iter()
        .chain([run.as_ref().unwrap().run_id.as_str()])
        .chain(beyond.iter().map(String::as_str))
        .chain(deleted.iter().map(|deleted| deleted.sha256.as_str()))
    {
        assert!(text.contains(said), "{said}");
    }
    assert!([key(7), key(8)].iter().all(|key| !text.contains(key)));
}

/// Who empties the folder of stray files, or a disk that fails.
#[tokio::test]
async fn what_was_erased_stays_away_although_suppressed_json_is_lost() {
    for lost in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let output = two_runs(folder.path()).await;
        erase(&output, Some(keys([7]))).await.unwrap();
        erase(&output, Some(keys([8]))).await.unwrap();
        match lost {
            true => output.delete(SUPPRESSED).await.unwrap(),
            false => output.put(SUPPRESSED, Bytes::from_static(b"what a disk left of it")).await.unwrap(),
        }
        run(&folder.path().join("in"), &output).await.unwrap();
        demand_fresh(&folder.path().join("in"), &output, &BTreeSet::from([key(7), key(8)])).await;
        // It is made anew as soon as anybody erases.
        assert!(matches!(erase(&output, None).await, Err(Error::NothingToErase { .. })));
        let bytes = output.get(SUPPRESSED).await.unwrap().bytes;
        assert_eq!(Suppressed::decode(&bytes).unwrap().len(), 2);
    }
}

/// Who brings back what was deleted of an output, and has erased images since.
#[tokio::test]
async fn what_was_erased_under_two_salts_stays_away() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    erase(&output, Some(keys([7]))).await.unwrap();
    let deleted = output.get(SUPPRESSED).await.unwrap().bytes;
    for (file, _) in output.sizes("erasures/").await.unwrap() {
        output.delete(&file).await.unwrap();
    }
    output.delete(SUPPRESSED).await.unwrap();
    let Erased { certificates, .. } = erase(&output, Some(keys([8]))).await.unwrap();
    output.delete(&layout::erasure_certificate(&certificates[0].request.id)).await.unwrap();
    output.put(SUPPRESSED, deleted).await.unwrap();

    let Erased { certificates, .. } = erase(&output, None).await.unwrap();
    assert_eq!(certificates.len(), 1);
    run(&folder.path().join("in"), &output).await.unwrap();
    demand_fresh(&folder.path().join("in"), &output, &BTreeSet::from([key(7), key(8)])).await;
    let allowed = eraser(&output, Older::Delete).allow_again(&[key(7), key(8)]).await.unwrap();
    assert_eq!(allowed, 2);
    run(&folder.path().join("in"), &output).await.unwrap();
    demand_fresh(&folder.path().join("in"), &output, &BTreeSet::new()).await;
}

#[tokio::test]
async fn a_damaged_suppressed_json_that_nothing_replaces_ends_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    output.put(SUPPRESSED, Bytes::from_static(b"what a disk left of it")).await.unwrap();
    let ended = run(&folder.path().join("in"), &output).await;
    assert!(matches!(ended, Err(Error::File(FileError::Damaged { .. }))), "{ended:?}");
}

#[tokio::test]
async fn what_is_of_another_erasure_is_damaged_whatever_its_seal_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = two_runs(folder.path()).await;
    let Erased { certificates, .. } = erase(&output, Some(keys([7]))).await.unwrap();
    let other: RunId = "20260131T120000Z-0123abcd".parse().unwrap();
    let request = layout::erasure_request(&other);
    output.put(&request, json::seal(&request, &certificates[0].request).unwrap()).await.unwrap();
    let certificate = layout::erasure_certificate(&other);
    for key in [&request, &certificate] {
        let checked = erase::check(&output, None).await;
        assert!(
            matches!(&checked, Err(Error::File(FileError::Damaged { file, .. })) if file == key),
            "{key}: {checked:?}"
        );
        output.put(&certificate, json::seal(&certificate, &certificates[0]).unwrap()).await.unwrap();
    }
}
