//! Whether a device is the one that it says.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exoclaw_protocol::openclaw::{Connect, Device, DeviceError};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};

/// Checks that the device holds the key which its id names, and signed this connection's nonce just now.
pub(super) fn check(device: &Device, connect: &Connect, nonce: &str, now_ms: u64) -> Result<(), DeviceError> {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let key = bytes(&device.public_key).filter(|key| key.len() == 32).ok_or(DeviceError::PublicKey)?;
    if hex::encode(Sha256::digest(&key)) != device.id {
        return Err(DeviceError::Identity);
    }
    let signed = device.signed(connect, nonce, now_ms)?;
    let signature = bytes(&device.signature).ok_or(DeviceError::Signature)?;
    let key = UnparsedPublicKey::new(&ED25519, key);
    let is_good = signed.0.iter().any(|text| key.verify(text.as_bytes(), &signature).is_ok());
    if is_good { Ok(()) } else { Err(DeviceError::Signature) }
}
