//! Numbers of things, in words.

/// "1 image" or "3 images"; nothing where there are none.
pub fn counted(count: u64, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    }
}
