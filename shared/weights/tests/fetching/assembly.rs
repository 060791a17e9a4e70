//! Files that do not fit their layer.

use pomona_weights::{assemble, untrained_files};

#[test]
fn weights_of_another_layer_are_refused_by_shape() {
    let mut files = untrained_files();
    files.insert("Const_71.npy", files["Const_90.npy"].clone());
    let message = assemble(&files).unwrap_err().to_string();
    assert!(message.starts_with("weight file Const_71.npy: its header is"), "{message}");
    assert!(message.contains("shape (1280,1,1,320)"), "{message}");
}
