//! Who is let in, with which scopes, and whether their device is given a token of its own.
//!
//! Coming from this machine pairs nobody. A device that proves its key and shows a good token is paired at once, inside that
//! token's scope, and goes with that token; one that shows nothing waits for an operator.

use std::sync::Arc;

use exoclaw_protocol::{
    DeviceId, DeviceLook, Secret, ShownOnce, TokenName,
    openclaw::{self, Connect, Device, OperatorScope, Refusal, Role, Version},
};
use exoclaw_store::{
    Candidate, DEVICE_TOKEN, OWNER, Paired,
    audit::{Decision, Entry, What},
};
use tokio_util::sync::CancellationToken;

use super::proof;
use crate::{
    auth::{Pass, fingerprint},
    http::Door,
    limiter::TooMany,
    socket::{
        devices::{self, DeviceEvent},
        dialect::Desk,
    },
};

/// Somebody who may come in.
pub(super) struct Admitted {
    pub(super) pass: Pass,
    pub(super) scopes: Vec<OperatorScope>,
    pub(super) issue: Option<Issue>,
}

/// A token that a device is to be given.
pub(super) enum Issue {
    /// It came with a good token, whose name and SHA-256 these are.
    Paired { device: Candidate, with: (TokenName, [u8; 32]), revoked: CancellationToken, entry: Entry },
    /// It was approved before.
    Approved { id: DeviceId, entry: Entry },
}

impl Issue {
    /// Makes it durable. What fails is told to the operator: the device is let in without.
    pub(super) async fn token(self, door: &Door) -> Option<ShownOnce> {
        let issued = match self {
            Self::Paired { device, with, revoked, entry } => {
                let now_ms = door.runtime.clock().now_ms();
                devices::change(door, entry, move |devices| devices.pair(device, with, revoked, now_ms).map(Some)).await
            }
            Self::Approved { id, entry } => devices::change(door, entry, move |devices| devices.fetch(&id)).await,
        };
        issued.unwrap_or_else(|error| {
            tracing::warn!(%error, "a device is given no token");
            None
        })
    }
}

pub(super) fn check(connect: &Connect, nonce: &str, desk: &Desk<'_>) -> Result<Admitted, Refusal> {
    // There are no machines here that do things for the gateway: plugins do.
    if connect.role == Role::Node {
        return Err(Refusal::Role);
    }
    let device = match &connect.device {
        Some(device) => {
            proof::check(device, connect, nonce, desk.door.runtime.clock().now_ms()).map_err(Refusal::Device)?;
            let id = device.id.parse().map_err(|_| Refusal::Device(openclaw::DeviceError::Identity))?;
            Some((device, id))
        }
        None => None,
    };
    match (connect.auth.shown(), device) {
        (Some(shown), Some((_, id))) if shown.expose().starts_with(DEVICE_TOKEN) && !desk.door.auth().is_open() => {
            own_token(connect, &id, shown, desk)
        }
        (Some(shown), device) => {
            let pass = desk.token(shown).map_err(limited)?.ok_or(Refusal::TokenMismatch)?;
            let scopes = granted(connect, |scope| pass.scope.covers(scope.needs()));
            let admitted = Admitted { pass, scopes, issue: None };
            Ok(match device {
                Some((_, id)) => paired(admitted, connect, id, shown, desk),
                None => admitted,
            })
        }
        // The upgrade may have shown a credential.
        (None, device) => match (desk.pass, device) {
            (Some(pass), _) => {
                let scopes = granted(connect, |scope| pass.scope.covers(scope.needs()));
                Ok(Admitted { pass: pass.clone(), scopes, issue: None })
            }
            (None, Some((device, id))) => stranger(connect, device, id, desk),
            (None, None) => Err(Refusal::NoDevice),
        },
    }
}

/// A device that shows the token that it was given.
fn own_token(connect: &Connect, id: &DeviceId, shown: &Secret, desk: &Desk<'_>) -> Result<Admitted, Refusal> {
    match desk.door.device_token(id, shown.expose(), desk.peer).map_err(limited)? {
        Some((pass, paired)) => Ok(known(connect, pass, &paired, None)),
        None => Err(Refusal::TokenMismatch),
    }
}

fn known(connect: &Connect, pass: Pass, paired: &Paired, issue: Option<Issue>) -> Admitted {
    let scopes = granted(connect, |scope| paired.scopes.iter().any(|held| held.covers(scope)));
    Admitted { pass, scopes, issue }
}

/// A device that shows a token which is not its own. One that is paired already, and may come in still, stays as it is.
fn paired(mut admitted: Admitted, connect: &Connect, id: DeviceId, shown: &Secret, desk: &Desk<'_>) -> Admitted {
    let auth = desk.door.auth();
    if let Some((_, paired)) = desk.door.devices.known(&id).and_then(|paired| auth.let_in(paired)) {
        admitted.pass.device = Some(paired.revoked);
        return admitted;
    }
    let by = admitted.pass.who.name().or_else(|| OWNER.parse().ok());
    if let Some(by) = by.filter(|_| !auth.is_open() && !admitted.scopes.is_empty()) {
        let revoked = CancellationToken::new();
        admitted.pass.device = Some(revoked.clone());
        let entry = entry(desk, "pair", Decision::Allowed, &id).who(&admitted.pass.who);
        let device = Candidate { id, look: look(connect), scopes: admitted.scopes.clone() };
        let with = (by, fingerprint(shown.expose()));
        admitted.issue = Some(Issue::Paired { device, with, revoked, entry });
    }
    admitted
}

/// A device that shows nothing but its key: it waits for an operator, or has been approved by one.
fn stranger(connect: &Connect, device: &Device, id: DeviceId, desk: &Desk<'_>) -> Result<Admitted, Refusal> {
    let door = desk.door;
    if let Some((pass, paired)) = door.devices.awaited(&id).and_then(|paired| door.auth().let_in(paired)) {
        let entry = entry(desk, "pair", Decision::Allowed, &id).who(&pass.who);
        return Ok(known(connect, pass, &paired, Some(Issue::Approved { id, entry })));
    }
    door.auth().knock(desk.peer.source()).map_err(limited)?;
    let candidate = Candidate { id: id.clone(), look: look(connect), scopes: granted(connect, |_| true) };
    let from = desk.peer.source().map(|source| source.to_string());
    let now_ms = door.runtime.clock().now_ms();
    match door.devices.ask(candidate, &device.public_key, from, now_ms) {
        Ok((request, is_new)) => {
            let request_id = request.request_id.clone();
            if is_new {
                door.runtime.audit().note(entry(desk, "ask", Decision::Asked, &id));
                door.device_events.send(Arc::new(DeviceEvent::Requested(request))).ok();
            }
            Err(Refusal::NotPaired { request_id })
        }
        Err(error) => {
            tracing::error!(%error, "a device can't ask");
            Err(Refusal::TokenMissing)
        }
    }
}

/// What was asked for, as far as it may be had. Whoever asks for everything gets all of that; so does whoever asks for nothing
/// in version 3.
fn granted(connect: &Connect, may: impl Fn(OperatorScope) -> bool) -> Vec<OperatorScope> {
    let asked: Vec<OperatorScope> = connect.scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
    let all = asked.contains(&OperatorScope::Admin) || (connect.version == Version::V3 && connect.scopes.is_empty());
    let wanted = |scope: &OperatorScope| all || asked.contains(scope);
    OperatorScope::ALL.into_iter().filter(wanted).filter(|scope| may(*scope)).collect()
}

fn look(connect: &Connect) -> DeviceLook {
    let client = &connect.client;
    DeviceLook {
        name: client.display_name.clone(),
        platform: client.platform.clone(),
        client: client.id.clone(),
        mode: client.mode.clone(),
    }
}

fn entry(desk: &Desk<'_>, action: &'static str, decision: Decision, id: &DeviceId) -> Entry {
    Entry::new(What::Device, action, decision).from(desk.peer.audited()).object(id)
}

fn limited(TooMany { retry_after }: TooMany) -> Refusal {
    Refusal::RateLimited { retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX) }
}
