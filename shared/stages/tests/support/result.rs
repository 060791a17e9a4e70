//! What a run is for, byte by byte, to compare two runs.

use std::collections::BTreeMap;
use std::path::Path;

use pomona_results::latest;
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_store::{LocalStore, Store};

/// As [`result_in`], of a folder.
#[allow(dead_code, reason = "not every test needs it")]
pub async fn result(output: &Path) -> BTreeMap<String, Vec<u8>> {
    result_in(&LocalStore::open(output).unwrap()).await
}

/// The result of the newest successful run: every file by its name inside the run's folder.
pub async fn result_in(store: &dyn Store) -> BTreeMap<String, Vec<u8>> {
    result_of(store, &latest::read(store).await.unwrap().expect("there is a successful run").run_id).await
}

/// The result of a successful run.
pub async fn result_of(store: &dyn Store, run_id: &RunId) -> BTreeMap<String, Vec<u8>> {
    let root = format!("{}/", RunLayout::new(run_id.as_str()).root());
    let mut files = BTreeMap::new();
    for object in store.list(&root, &|_| true).await.unwrap() {
        let name = object.key[root.len()..].to_owned();
        let is_result = ["features/", "pca/", "metadata/", "classes/", "classify/", "errors/", "model_info/"]
            .iter()
            .any(|folder| name.starts_with(folder));
        if is_result {
            files.insert(name, store.get(&object.key).await.unwrap().bytes.to_vec());
        }
    }
    let info = files.get_mut("model_info/model_info.json").expect("a run has its model_info");
    let mut json: serde_json::Value = serde_json::from_slice(info).unwrap();
    json.as_object_mut().unwrap().remove("timestamp").expect("model_info has a timestamp");
    *info = serde_json::to_vec(&json).unwrap();
    files
}
