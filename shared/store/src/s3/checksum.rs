//! What S3 says of an object's bytes where it keeps no checksum of them.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;
use md5::{Digest, Md5};

use super::encoding;

/// The MD5 that an object's bytes must have.
#[derive(Debug)]
pub(super) struct ObjectMd5(String);

impl ObjectMd5 {
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        let md5: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        md5 == self.0
    }
}

/// The MD5 of an object that was uploaded in one piece and is encrypted by S3's own key: its etag (API reference,
/// "Object", `ETag`). Nothing where the SDK has compared a checksum already, or the etag is none.
pub(super) fn md5_of(response: &GetObjectOutput) -> Option<ObjectMd5> {
    let checksums = [
        &response.checksum_crc32,
        &response.checksum_crc32_c,
        &response.checksum_crc64_nvme,
        &response.checksum_sha1,
        &response.checksum_sha256,
    ];
    let is_plain = matches!(response.server_side_encryption, None | Some(ServerSideEncryption::Aes256));
    if checksums.iter().any(|checksum| checksum.is_some()) || !is_plain || response.sse_customer_algorithm.is_some() {
        return None;
    }
    let etag = encoding::bare_etag(response.e_tag()?);
    let is_md5 = etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_md5.then(|| ObjectMd5(etag.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf content | md5sum`
    const MD5: &str = "\"9a0364b9e99bb480dd25e1f0284c8555\"";

    #[test]
    fn an_etag_is_the_md5_of_a_plain_upload_and_of_nothing_else() {
        let plain = || GetObjectOutput::builder().e_tag(MD5);
        let md5 = md5_of(&plain().build()).unwrap();
        assert!(md5.is_of(b"content") && !md5.is_of(b"contenu"));
        assert!(md5_of(&plain().server_side_encryption(ServerSideEncryption::Aes256).build()).is_some());
        for other in [
            plain().server_side_encryption(ServerSideEncryption::AwsKms),
            plain().sse_customer_algorithm("AES256"),
            plain().checksum_crc32("AAAAAA=="),
            GetObjectOutput::builder().e_tag("\"9a0364b9e99bb480dd25e1f0284c8555-2\""),
            GetObjectOutput::builder().e_tag("\"e\""),
            GetObjectOutput::builder(),
        ] {
            assert!(md5_of(&other.build()).is_none());
        }
    }
}
