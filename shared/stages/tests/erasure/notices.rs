//! Nobody takes what is left out for erased before it is.

use std::sync::Mutex;

use pomona_dataset::Images;
use pomona_results::verify::Unobserved;
use pomona_run::stage::{Stage, Timing};
use pomona_stages::fit::Pass;
use pomona_stages::local::{self, Job, Observer};
use pomona_stages::retention::KeepRuns;
use pomona_stages::verify::{self, Mending};

use super::*;

/// Keeps what a run says.
#[derive(Default)]
struct Listening(Mutex<Vec<String>>);

impl Observer for Listening {
    fn stage_started(&self, _: Stage, _: u64) {}
    fn file_listed(&self) {}
    fn item_done(&self, _: Stage) {}
    fn item_there(&self, _: Stage) {}
    fn stage_finished(&self, _: &Timing) {}
    fn pass_started(&self, _: &Pass) {}
    fn notice(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// What a run says of erasures, and how many `verify` finds that are not done.
async fn told(input: &Path, output: &dyn Store) -> (Vec<String>, usize) {
    let input = LocalStore::open(input).unwrap();
    let (images, options, pool) = (Images::new(&input), options(), support::pool(1));
    let keep_runs = KeepRuns::default();
    let job = Job { input: &images, output, options: &options, models: None, pool: &pool, holder: "a test", keep_runs };
    let listening = Listening::default();
    local::run(&job, &NoOtherHolders, &listening, std::future::pending()).await.unwrap().unwrap();
    let (looking, stopped) = (("a test", &NoOtherHolders as _), std::future::pending());
    let verified = verify::verify(output, Mending::default(), looking, &Unobserved, stopped).await.unwrap().unwrap();
    assert!(verified.is_whole());
    let mut said = listening.0.into_inner().unwrap();
    said.retain(|notice| notice.contains("erasure"));
    (said, verified.found.not_erased.len())
}

#[tokio::test]
async fn runs_and_verify_say_that_an_erasure_is_not_done() {
    let input = tempfile::tempdir().unwrap();
    upload(input.path(), 0..9, 0);
    let output = MemoryStore::new("out", BTreeMap::new());
    run(input.path(), &output).await.unwrap();
    assert_eq!(told(input.path(), &output).await, (Vec::new(), 0));
    let eraser = eraser(&output, Older::Delete);
    for (image, erasures) in [(0, "1 erasure is not done"), (1, "2 erasures are not done")] {
        eraser.ask(&Wish { which: keys([image]), because: None }).await.unwrap();
        let (said, not_erased) = told(input.path(), &output).await;
        let [said] = said.as_slice() else { panic!("{said:?}") };
        assert!(said.starts_with(erasures) && said.contains("`pomona erase out`"), "{said}");
        assert_eq!(not_erased, usize::from(image) + 1);
    }
    erase(&output, None).await.unwrap();
    assert_eq!(told(input.path(), &output).await, (Vec::new(), 0));
}
