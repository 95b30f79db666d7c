//! A device proves who it is: it signs the server's nonce with its own key (Ed25519, RFC 8032).

use serde::Deserialize;

use super::{Connect, Version};

/// A device and its proof.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// SHA-256 of the key, in hexadecimal.
    pub id: String,
    /// 32 bytes in base64url, without padding.
    pub public_key: String,
    /// 64 bytes in base64url, over a text of [`Signed`].
    pub signature: String,
    /// When it signed, in milliseconds since 1970.
    pub signed_at: u64,
    /// The server's; version 3 may leave it out on loopback, which is not let in here.
    #[serde(default)]
    pub nonce: Option<String>,
}

/// A proof that is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The id is not that of the key.
    #[error("device identity mismatch")]
    Identity,
    /// The signature is too old, or from the future.
    #[error("device signature expired")]
    Expired,
    /// The nonce was left out.
    #[error("device nonce required")]
    NonceRequired,
    /// It is not the one of this connection.
    #[error("device nonce mismatch")]
    NonceMismatch,
    /// The signature is none of this key over what was sent.
    #[error("device signature invalid")]
    Signature,
    /// The key can't be read.
    #[error("device public key invalid")]
    PublicKey,
}

impl DeviceError {
    /// Code and reason of version 4.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Identity => ("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch"),
            Self::Expired => ("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale"),
            Self::NonceRequired => ("DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing"),
            Self::NonceMismatch => ("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch"),
            Self::Signature => ("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature"),
            Self::PublicKey => ("DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key"),
        }
    }
}

/// What a device may have signed, the newest form first; a good signature over one of them is proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed(pub Vec<String>);

/// Milliseconds that the clocks of device and server may be apart.
fn skew_ms(version: Version) -> u64 {
    match version {
        Version::V3 => 10 * 60 * 1000,
        Version::V4 => 2 * 60 * 1000,
    }
}

impl Device {
    /// The texts of which one must have been signed. The nonce is looked at first, then the time: what costs nothing.
    ///
    /// # Errors
    /// When the nonce is missing or another one, or the signature is out of date.
    pub fn signed(&self, connect: &Connect, nonce: &str, now_ms: u64) -> Result<Signed, DeviceError> {
        if self.signed_at.abs_diff(now_ms) > skew_ms(connect.version) {
            return Err(DeviceError::Expired);
        }
        match self.nonce.as_deref().map(str::trim) {
            None | Some("") => return Err(DeviceError::NonceRequired),
            Some(other) if other != nonce => return Err(DeviceError::NonceMismatch),
            Some(_) => {}
        }
        let Connect { client, scopes, auth, .. } = connect;
        let token = [&auth.token, &auth.device_token, &auth.bootstrap_token].into_iter().flatten().next();
        let token = token.map_or("", |token| token.expose());
        let rest = |form: &str| {
            let (id, role, scopes) = (&self.id, connect.role.as_str(), scopes.join(","));
            format!("{form}|{id}|{}|{}|{role}|{scopes}|{}|{token}|{nonce}", client.id, client.mode, self.signed_at)
        };
        let lower = |text: Option<&str>| text.unwrap_or_default().trim().to_lowercase();
        let (platform, family) = (lower(Some(&client.platform)), lower(client.device_family.as_deref()));
        Ok(Signed(vec![format!("{}|{platform}|{family}", rest("v3")), rest("v2")]))
    }
}
