//! `exoclaw:plugin/verify`: a guest asks about secrets that it does not see.

use wasmtime::Result;

use crate::{
    bindings::channel::exoclaw::plugin::verify::{Error, Host},
    http::CheckedSecret,
    state::State,
};

impl State {
    /// Answers one question about a secret.
    fn question(
        &mut self,
        secret: &str,
        ask: impl FnOnce(&Self, &CheckedSecret) -> bool,
    ) -> Result<Result<bool, Error>> {
        self.count()?;
        let Some(left) = self.checks.checked_sub(1) else { return Ok(Err(Error::TooOften)) };
        self.checks = left;
        let checked = self.secrets.iter().find(|checked| checked.name == secret);
        Ok(checked.map(|checked| ask(self, checked)).ok_or(Error::Denied))
    }
}

impl Host for State {
    fn header_is_secret(&mut self, header: String, secret: String) -> Result<Result<bool, Error>> {
        self.question(&secret, |state, checked| {
            let mut values = state.headers.iter().filter(|(name, _)| *name == header).map(|(_, value)| value);
            // Of two, nobody knows which one the platform meant.
            matches!((values.next(), values.next()), (Some(value), None) if checked.is(value))
        })
    }

    fn hmac_sha256(&mut self, secret: String, message: Vec<u8>, signature: Vec<u8>) -> Result<Result<bool, Error>> {
        self.meter.bytes_out += (message.len() + signature.len()) as u64;
        self.question(&secret, |_, checked| checked.signs(&message, &signature))
    }
}
