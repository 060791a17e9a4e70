//! What columns of users' tables are called.

/// What a column of paths may be called, the likeliest first.
pub const PATHS: [&str; 8] = ["path", "file_name", "filename", "file", "key", "image_path", "image", "id"];

/// What a column of labels may be called, the likeliest first.
pub const LABELS: [&str; 5] = ["label", "class", "target", "category", "labels"];

/// Whether a column is the one that is meant by `name`, in any case; some programs put a mark before the first one.
pub fn is_called(column: &str, name: &str) -> bool {
    column.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name)
}
