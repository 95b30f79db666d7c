//! The custom section that carries signatures over all that comes before it: component and manifest.

use wasm_encoder::{CustomSection, Encode, Section};

use crate::{
    FormatError, Manifest, limits,
    section::{Custom, customs},
};

/// Name of the custom section; it is the last one of the file.
pub const SIGNATURE_SECTION: &str = "exoclaw:signature";

/// First byte of the section's data.
const VERSION: u8 = 1;

/// Bytes of an Ed25519 public key and of a signature (RFC 8032, 5.1.5 and 5.1.6).
const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// One signature of a plugin file. Whether it is a good one is for others to say: this crate does no cryptography.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The Ed25519 public key that it was made with, by its own account.
    pub key: [u8; KEY_BYTES],
    /// The Ed25519 signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// A plugin file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<'a> {
    /// What is signed: the whole file without the section of signatures.
    pub body: &'a [u8],
    /// At most [`limits::SIGNATURES`], each by another key; none where nobody has signed.
    pub signatures: Vec<Signature>,
}

impl<'a> Signed<'a> {
    /// Finds the signatures of a component.
    ///
    /// # Errors
    /// Bytes that are no component, and a section of signatures that is not the last one, not the only one or not of its
    /// form.
    pub fn of_component(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let customs = customs(bytes)?;
        let mut found = customs.into_iter().filter(|custom| custom.name == SIGNATURE_SECTION);
        let Some(Custom { data, range, .. }) = found.next() else {
            return Ok(Self { body: bytes, signatures: Vec::new() });
        };
        if found.next().is_some() || range.end != bytes.len() {
            return Err(FormatError::Signatures("want one section of them, at the end of the file"));
        }
        Ok(Self { body: &bytes[..range.start], signatures: read(data)? })
    }

    /// Writes the file. A signature takes the place of another by the same key.
    ///
    /// # Errors
    /// A body without a manifest, more signatures than the limit, and a file that is larger than its limit.
    pub fn with(mut self, signature: Signature) -> Result<Vec<u8>, FormatError> {
        self.signatures.retain(|other| other.key != signature.key);
        self.signatures.push(signature);
        if self.signatures.len() > limits::SIGNATURES {
            return Err(FormatError::Signatures("there are as many as a plugin can have"));
        }
        let mut data = vec![VERSION];
        for Signature { key, signature } in &self.signatures {
            data.extend_from_slice(key);
            data.extend_from_slice(signature);
        }
        let mut file = self.body.to_vec();
        let section = CustomSection { name: SIGNATURE_SECTION.into(), data: data.into() };
        file.push(section.id());
        section.encode(&mut file);
        Manifest::of_component(&file)?;
        Ok(file)
    }
}

fn read(data: &[u8]) -> Result<Vec<Signature>, FormatError> {
    let broken = || FormatError::Signatures("want version 1, then keys of 32 bytes with signatures of 64 bytes");
    let (version, rest) = data.split_first().ok_or_else(broken)?;
    let (pairs, left) = rest.as_chunks::<{ KEY_BYTES + SIGNATURE_BYTES }>();
    if *version != VERSION || !left.is_empty() || pairs.is_empty() || pairs.len() > limits::SIGNATURES {
        return Err(broken());
    }
    let mut signatures: Vec<Signature> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let (Some(key), Some(signature)) = (pair.first_chunk(), pair.last_chunk()) else { return Err(broken()) };
        if signatures.iter().any(|other| other.key == *key) {
            return Err(FormatError::Signatures("a key is there twice"));
        }
        signatures.push(Signature { key: *key, signature: *signature });
    }
    Ok(signatures)
}
