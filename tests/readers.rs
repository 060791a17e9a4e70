//! What a run writes is read alike by the tools that data people use.

use std::path::Path;

use pomona_tests::{few_pictures, pomona_run, python, run_python, succeed};

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

/// The paths of some pictures in the folder `to`.
fn few_picture_names(count: usize, to: &Path) -> Vec<String> {
    let files =
        |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let pictures = files(&few_pictures(count, to)).into_iter().flat_map(|class| files(&class));
    pictures.map(|picture| picture.strip_prefix(to).unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_table_is_read_alike_by_pandas_pyarrow_duckdb_and_polars() {
    let folder = tempfile::tempdir().unwrap();
    // A path as hive partitions have it, with the name of a column.
    let (input, output) = (folder.path().join("in"), folder.path().join("label=v2"));
    let mut names = few_picture_names(40, &input);
    for (name, odd) in names.iter_mut().zip(ODD_PATHS) {
        let target = input.join(odd);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::rename(input.join(&name), target).unwrap();
        *name = odd.to_owned();
    }
    succeed(pomona_run(&input, &output).args(["--csv", "all", "--shard-size", "10"]));
    let paths = folder.path().join("paths.json");
    std::fs::write(&paths, serde_json::to_vec(&names).unwrap()).unwrap();
    run_python(&python(), "check_readers.py", &[output.as_os_str(), paths.as_os_str()]);
}
