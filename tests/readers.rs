//! What a run writes is read alike by the tools that data people use.

use pomona_tests::{pomona_run, python, reference_data, reference_paths, run_python, succeed};

/// Paths that CSV must quote, that sort oddly, or whose label is empty.
const ODD_PATHS: [&str; 8] = [
    "at the root.jpg",
    "comma, quote \" and 'apostrophe'/a, \"b\".jpg",
    "größe – 大きさ/é+ 100%.JPG",
    "line\nbreak/x.jpeg",
    "deep/er/and/deeper/x.jpg",
    " leading space/ x.jpg",
    "=SUM(A1)/1.jpg",
    "NA/NULL.jpg",
];

#[test]
fn every_table_is_read_alike_by_pandas_pyarrow_duckdb_and_polars() {
    let (Some(shared), Some(python)) = (reference_data(), python()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let images = shared.join("images/fruits-360");
    let plain = reference_paths(&shared);
    let names: Vec<&str> = ODD_PATHS.into_iter().chain(plain.iter().map(String::as_str)).take(40).collect();
    for (name, image) in names.iter().zip(&plain) {
        let target = input.join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(images.join(image), target).unwrap();
    }
    succeed(pomona_run(&shared, &input, &output).args(["--csv", "all", "--shard-size", "10"]));
    let paths = folder.path().join("paths.json");
    std::fs::write(&paths, serde_json::to_vec(&names).unwrap()).unwrap();
    run_python(&python, "check_readers.py", &[output.as_os_str(), paths.as_os_str()]);
}
