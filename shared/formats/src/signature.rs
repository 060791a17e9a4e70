//! Signatures of certificates: Ed25519 (RFC 8032) over a file's bytes, by keys as OpenSSL writes them, so that a
//! signature can be checked without Pomona, too:
//! `openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in certificate.json -sigfile certificate.sig`.

use bytes::Bytes;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

/// What stands before the 32 bytes of a public key (RFC 8410, section 4).
const PUBLIC_KEY_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key to sign with.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key in `pem` (PKCS #8); nothing where there is none, or one of another kind.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
        // OpenSSL leaves the public key out of the private one's file.
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).ok().map(Self)
    }

    /// The signature of `bytes`: 64 bytes.
    pub fn sign(&self, bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(self.0.sign(bytes).as_ref())
    }
}

/// A key to check signatures with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key in `pem` (a SubjectPublicKeyInfo); nothing where there is none, or one of another kind.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        key.strip_prefix(&PUBLIC_KEY_PREFIX)?.try_into().ok().map(Self)
    }

    /// Whether `signature` is that of `bytes` by the key that belongs to this one.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys, message and signature of the second test in RFC 8032, section 7.1; `openssl pkey` writes keys so.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC KEY-----\n";
    const MESSAGE: &[u8] = b"\x72";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn keys() -> (SigningKey, PublicKey) {
        (SigningKey::from_pem(PRIVATE.as_bytes()).unwrap(), PublicKey::from_pem(PUBLIC.as_bytes()).unwrap())
    }

    #[test]
    fn a_signature_is_that_of_the_standard() {
        let (private, public) = keys();
        let signature = private.sign(MESSAGE);
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, SIGNATURE);
        assert!(public.verifies(MESSAGE, &signature));
    }

    #[test]
    fn another_text_and_another_signature_are_found_out() {
        let (private, public) = keys();
        let signature = private.sign(MESSAGE);
        assert!(!public.verifies(b"another", &signature));
        for byte in 0..signature.len() {
            let mut other = signature.to_vec();
            other[byte] ^= 1;
            assert!(!public.verifies(MESSAGE, &other), "byte {byte}");
        }
        assert!(!public.verifies(MESSAGE, b""));
    }

    #[test]
    fn what_is_no_such_key_is_none() {
        for text in ["", "a password", PUBLIC, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(text.as_bytes()).is_none(), "{text}");
        }
        for text in ["", "a password", PRIVATE, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(PublicKey::from_pem(text.as_bytes()).is_none(), "{text}");
        }
    }
}
