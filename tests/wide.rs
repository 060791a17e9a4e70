//! Components of a layer too wide for a covariance, by the program itself.

use pomona_tests::{pictures, pomona, python, run_python};

#[test]
fn components_of_the_last_feature_map_are_numpys_and_take_less_than_a_gigabyte_and_a_half() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let (program, output) = (pomona().get_program().to_owned(), folder.path().join("out"));
    run_python(&python(), "check_wide.py", &[&program, input.as_os_str(), output.as_os_str()]);
}
