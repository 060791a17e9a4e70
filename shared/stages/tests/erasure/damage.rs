//! Whatever has happened to a file, an erasure leaves nothing of an image behind, or says what is in its way and goes
//! on once a run has mended that.

use std::collections::{BTreeMap, BTreeSet};

use pomona_formats::error::Error as FileError;
use pomona_results::inspect;
use pomona_stages::Error;
use pomona_store::testing::MemoryStore;

use crate::damages::{Damaged, FLIPS, Objects, damages, kinds, pairs, with};
use crate::{demand_gone, erase, key, keys, result, row_of, run, upload};

/// Two runs and an erasure, of which another one comes.
struct World {
    input: tempfile::TempDir,
    output: Objects,
    erased: BTreeSet<String>,
    row: Vec<f32>,
    expected: BTreeMap<String, Vec<u8>>,
}

impl World {
    async fn new() -> Self {
        let input = tempfile::tempdir().unwrap();
        upload(input.path(), [0, 3, 4, 5, 6, 7], 0);
        let fresh = MemoryStore::new("fresh", BTreeMap::new());
        upload(input.path(), 3..5, 1);
        run(input.path(), &fresh).await.unwrap();
        let expected = result::result_in(&fresh).await;

        let output = MemoryStore::new("out", BTreeMap::new());
        upload(input.path(), 0..8, 0);
        run(input.path(), &output).await.unwrap();
        upload(input.path(), 3..5, 1);
        run(input.path(), &output).await.unwrap();
        let row = row_of(&output, &key(1)).await;
        erase(&output, Some(keys([2]))).await.unwrap();
        Self { input, output: output.objects(), erased: BTreeSet::from([key(1), key(2)]), row, expected }
    }

    /// Erases over the output to which this has happened.
    async fn demand_erased(&self, damaged: &[(String, String, Damaged)]) {
        let text: Vec<String> = damaged.iter().map(|(file, what, _)| format!("{file}, {what}")).collect();
        let text = text.join("; ");
        let damage = |objects, (file, _, bytes): &(String, String, Damaged)| with(objects, file, bytes.clone());
        let output = MemoryStore::new("out", damaged.iter().fold(self.output.clone(), damage));
        if let Err(error) = erase(&output, Some(keys([1]))).await {
            let is_named = match &error {
                Error::FeaturesGone { .. } => true,
                Error::File(FileError::Damaged { file, .. }) => damaged.iter().any(|(damaged, ..)| damaged == file),
                _ => false,
            };
            assert!(is_named, "{text}: {error}");
            run(self.input.path(), &output).await.unwrap_or_else(|error| panic!("{text}: a run: {error}"));
            erase(&output, Some(keys([1]))).await.unwrap_or_else(|error| panic!("{text}: after a run: {error}"));
        }
        demand_gone(&output, &self.erased, std::slice::from_ref(&self.row)).await;
        // latest.json is lost, or the mark of the run.
        if inspect::find_run(&output, None).await.is_err() {
            run(self.input.path(), &output).await.unwrap_or_else(|error| panic!("{text}: a run: {error}"));
            demand_gone(&output, &self.erased, std::slice::from_ref(&self.row)).await;
        }
        assert!(result::result_in(&output).await == self.expected, "{text}: another result");
    }
}

#[tokio::test]
async fn whatever_has_happened_to_a_file_nothing_of_an_erased_image_stays() {
    let world = World::new().await;
    assert!(kinds(&world.output).len() > 25, "{:?}", kinds(&world.output));
    for (file, other) in kinds(&world.output) {
        for (what, bytes) in damages(&world.output[&file], &world.output[&other], FLIPS) {
            world.demand_erased(&[(file.clone(), what, bytes)]).await;
        }
    }
}

#[tokio::test]
async fn nor_where_something_has_happened_to_two_files() {
    let world = World::new().await;
    for pair in pairs(&world.output, 100) {
        world.demand_erased(&pair).await;
    }
}
