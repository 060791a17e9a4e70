//! File name endings of images.

/// File name endings of images, read here or not: a file that has one and is not asked for may have been forgotten.
pub const IMAGE_ENDINGS: [&str; 22] = [
    "avif", "bmp", "dib", "dng", "gif", "heic", "heif", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl", "nef", "pgm",
    "png", "ppm", "psd", "svg", "tif", "tiff", "webp",
];

/// Of these, the ones that the formats which are read here use.
const READ_ENDINGS: [&str; 11] = ["bmp", "dib", "gif", "jfif", "jpe", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// Whether a file name ending promises an image of a format that is not read, so that to ask for it cannot be meant.
pub fn is_unread_format(extension: &str) -> bool {
    let extension = extension.to_lowercase();
    IMAGE_ENDINGS.contains(&extension.as_str()) && !READ_ENDINGS.contains(&extension.as_str())
}
