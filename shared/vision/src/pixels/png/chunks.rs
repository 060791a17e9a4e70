//! The chunks around the pixels: whole and, up to the end of the image data, with the right checksum.
//!
//! Pillow verifies the checksums before the image data, and the image data by its zlib checksum where it gets to see
//! that; a chunk's CRC covers both. Behind the image data it reads on to the end chunk and minds only a chunk that is
//! cut.

use crate::pixels::Reject;

/// Checks the chunks of a PNG, from behind the signature on.
pub(super) fn check(mut rest: &[u8]) -> Result<(), Reject> {
    let mut image_data_seen = false;
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [l3, l2, l1, l0, name @ ..] = *header;
        let is_image_data = matches!(&name, b"IDAT" | b"fdAT");
        let is_behind_image_data = image_data_seen && !is_image_data;
        if &name == b"IEND" || (is_behind_image_data && !is_name(&name)) {
            return Ok(());
        }
        let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
        let whole = body.split_at_checked(length).and_then(|(data, behind)| Some((data, behind.split_first_chunk()?)));
        let Some((data, (checksum, behind))) = whole else {
            // Cut image data may still hold all rows.
            return if is_image_data { Ok(()) } else { Err(ends_in_chunk()) };
        };
        if !is_behind_image_data && u32::from_be_bytes(*checksum) != checksum_of(&name, data) {
            return Err(Reject::corrupt(format!("wrong checksum of chunk {}", name.escape_ascii())));
        }
        image_data_seen |= is_image_data;
        rest = behind;
    }
    if image_data_seen { Ok(()) } else { Err(ends_in_chunk()) }
}

fn is_name(name: &[u8; 4]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn checksum_of(name: &[u8; 4], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name);
    hasher.update(data);
    hasher.finalize()
}

fn ends_in_chunk() -> Reject {
    Reject::truncated("the file ends in a chunk")
}
