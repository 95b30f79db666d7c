//! Who vouches for a plugin: Ed25519 signatures over component and manifest.

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use exoclaw_plugin_format::{FormatError, Signature, Signed};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Sha256Digest;

/// How a public key begins as text.
const SCHEME: &str = "ed25519:";

/// Comes before the digest in what is signed, so that no signature of ours means anything elsewhere.
const CONTEXT: &[u8] = b"exoclaw plugin 1\n";

/// An Ed25519 public key, written as `ed25519:` and 44 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("want a public key such as ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
pub struct PublicKeyError;

/// Whose plugins are loaded; `[sandbox]` of the config. The default trusts nobody and asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// A plugin without a signature by one of the keys is refused.
    pub required: bool,
    /// Keys by the names of their owners.
    pub keys: BTreeMap<String, PublicKey>,
}

impl Trust {
    /// The name under which a key is trusted.
    pub fn name(&self, key: &PublicKey) -> Option<&str> {
        self.keys.iter().find(|(_, trusted)| *trusted == key).map(|(name, _)| name.as_str())
    }
}

/// Signatures that don't hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The file is no plugin, or its signatures are not of their form.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The file was changed after it was signed, or the signature is made up.
    #[error("the signature by {key} is not one of this component and manifest")]
    Wrong {
        /// Whose signature it claims to be.
        key: PublicKey,
    },
}

/// Checks every signature of a plugin file and says by whom they are. Runs none of its code.
///
/// # Errors
/// A file that is no plugin, and a signature that does not hold, whoever's it is.
pub fn signers(component: &[u8]) -> Result<Vec<PublicKey>, SignatureError> {
    let Signed { body, signatures } = Signed::of_component(component)?;
    let message = message(body);
    let check = |signature: &Signature| {
        let key = PublicKey(signature.key);
        let good = UnparsedPublicKey::new(&ED25519, signature.key).verify(&message, &signature.signature);
        good.map(|()| key).map_err(|_| SignatureError::Wrong { key })
    };
    signatures.iter().map(check).collect()
}

fn message(body: &[u8]) -> Vec<u8> {
    [CONTEXT, Sha256Digest::of(body).as_bytes()].concat()
}

/// A private key. It is shown nowhere.
pub struct SigningKey(Ed25519KeyPair);

/// A private key that can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// The system has no random numbers.
    #[error("make a key")]
    Random,
    /// The text is no Ed25519 key in PKCS#8 and PEM (RFC 8410).
    #[error("want an Ed25519 private key in PEM, as `exoclawd plugin keygen` writes it")]
    Form,
}

impl SigningKey {
    /// Makes a key. Gives it with its text, which [`from_pem`](Self::from_pem) reads.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<(Self, String), SigningKeyError> {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| SigningKeyError::Random)?;
        let text = BASE64_STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        Ok((Self::from_pem(&pem)?, pem))
    }

    /// Reads a key in PKCS#8 and PEM, with or without its public half.
    ///
    /// # Errors
    /// Text that is none.
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| SigningKeyError::Form)?;
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        key.map(Self).map_err(|_| SigningKeyError::Form)
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        // A public key of this kind has 32 bytes (RFC 8032, 5.1.5).
        PublicKey(self.0.public_key().as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Signs a packed component: adds the signature, or puts it in place of the one that this key made before.
    ///
    /// # Errors
    /// A file that is no packed component, signatures that don't hold, and more of them than a file can have.
    pub fn sign(&self, component: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let own = self.public();
        let mut signed = Signed::of_component(component)?;
        // Its own signature of what the file was before may be wrong: it is replaced.
        signed.signatures.retain(|signature| signature.key != own.0);
        let message = message(signed.body);
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.sign(&message).as_ref());
        let file = signed.with(Signature { key: own.0, signature: bytes })?;
        signers(&file)?;
        Ok(file)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = text.strip_prefix(SCHEME).and_then(|text| BASE64_STANDARD.decode(text).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(PublicKeyError)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
