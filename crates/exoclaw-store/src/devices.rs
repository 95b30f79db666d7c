//! Devices that are let in by a key of their own, and those that wait for it.
//!
//! A device has a token of its own: 256 random bits that are said once and count only together with a proof of the key. Of
//! the token only its SHA-256 is kept, in `devices.json` beside the credentials. Who waits is in memory alone: a device that
//! still wants to come in asks again.

mod error;
mod file;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{
    DeviceId, DeviceInfo, DeviceListResult, DeviceLook, DeviceRequest, ShownOnce, TokenName, limits,
    openclaw::OperatorScope,
};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

pub use self::error::DeviceError;
use self::file::{DeviceFile, Record};
use crate::tokens::{Digest, digest, random};

/// How each token of a device begins; no other token does.
pub const DEVICE_TOKEN: &str = "exo_device_";

/// The devices of one home. Changes block briefly on the disk; what only looks never does.
#[derive(Debug)]
pub struct Devices {
    /// `None`: nothing is kept.
    file: Option<DeviceFile>,
    state: Mutex<State>,
    /// Held while a change is written, so that checks need not wait for the disk.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    devices: BTreeMap<DeviceId, Device>,
    /// At most [`limits::DEVICES_WAITING`]; the one that asked first is in front, and goes.
    waiting: VecDeque<DeviceRequest>,
    /// A use was noted that the file does not know of.
    used: bool,
}

/// A record, and what ends with it.
#[derive(Debug, Clone)]
struct Device {
    record: Record,
    revoked: CancellationToken,
}

/// A device that proved to be one that is let in.
#[derive(Debug, Clone)]
pub struct Paired {
    /// Its name.
    pub id: DeviceId,
    /// What it may do.
    pub scopes: Vec<OperatorScope>,
    /// Who let it in.
    pub by: TokenName,
    /// SHA-256 of the token that it came with: it is let in only as long as that is good.
    pub came_with: Option<[u8; 32]>,
    /// Cancelled when it was ended.
    pub revoked: CancellationToken,
}

/// A device that wants to come in. Its proof was checked.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name, which its key proves.
    pub id: DeviceId,
    /// What it says of itself.
    pub look: DeviceLook,
    /// What it wants to do, or may.
    pub scopes: Vec<OperatorScope>,
}

impl Devices {
    /// Opens the devices beside the credentials, for this process alone.
    ///
    /// # Errors
    /// When another process has them open, others can read them, or they can't be understood.
    pub fn open(directory: impl Into<std::path::PathBuf>) -> Result<Self, DeviceError> {
        let (file, records) = DeviceFile::open(directory.into())?;
        let devices = records.into_iter().map(|record| (record.id.clone(), Device::new(record))).collect();
        let state = State { devices, ..State::default() };
        Ok(Self { file: Some(file), state: Mutex::new(state), changing: Mutex::default() })
    }

    /// No devices, and none is kept: for tests, and for embedding without a home.
    pub fn in_memory() -> Self {
        Self { file: None, state: Mutex::default(), changing: Mutex::default() }
    }

    /// The device, if that is its token. Notes the use.
    pub fn check(&self, id: &DeviceId, shown: &str, now_ms: u64) -> Option<Paired> {
        let shown = digest(shown);
        let mut state = self.lock();
        let device = state.devices.get_mut(id)?;
        if !bool::from(device.record.token?.ct_eq(&shown)) {
            return None;
        }
        device.record.last_used_ms = Some(now_ms);
        let paired = device.paired();
        state.used = true;
        Some(paired)
    }

    /// The device, whatever it showed.
    pub fn known(&self, id: &DeviceId) -> Option<Paired> {
        self.lock().devices.get(id).map(Device::paired)
    }

    /// The device, if it was approved and has not fetched its token yet.
    pub fn awaited(&self, id: &DeviceId) -> Option<Paired> {
        self.lock().devices.get(id).filter(|device| device.record.awaited).map(Device::paired)
    }

    /// All devices, and who waits.
    pub fn list(&self, now_ms: u64) -> DeviceListResult {
        let mut state = self.lock();
        state.forget(now_ms);
        let devices = state.devices.values().map(|device| device.record.info()).collect();
        DeviceListResult { waiting: state.waiting.iter().cloned().collect(), devices }
    }

    /// Lets a device in that came with a good token, and gives it one of its own. What it had before ends.
    ///
    /// # Errors
    /// When there are too many, or it can't be kept.
    pub fn pair(
        &self,
        device: Candidate,
        (by, came_with): (TokenName, [u8; 32]),
        revoked: CancellationToken,
        now_ms: u64,
    ) -> Result<ShownOnce, DeviceError> {
        let Candidate { id, look, scopes } = device;
        let (shown, token) = draw()?;
        let record = Record {
            id: id.clone(),
            look: cut(look),
            scopes,
            by,
            came_with: Some(came_with),
            token: Some(token),
            awaited: false,
            created_ms: now_ms,
            last_used_ms: None,
        };
        let former = self.change(|devices| {
            has_room(devices, &id)?;
            Ok(devices.insert(id.clone(), Device { record, revoked }))
        })?;
        end(former);
        self.lock().waiting.retain(|waiting| waiting.device != id);
        Ok(shown)
    }

    /// Remembers a device that wants to come in, and says whether that is new. One that asks again keeps its place.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn ask(
        &self,
        device: Candidate,
        public_key: &str,
        from: Option<String>,
        now_ms: u64,
    ) -> Result<(DeviceRequest, bool), DeviceError> {
        let Candidate { id, look, scopes } = device;
        let expires_ms = now_ms.saturating_add(u64::try_from(limits::DEVICE_WAIT.as_millis()).unwrap_or(u64::MAX));
        let mut state = self.lock();
        state.forget(now_ms);
        let again = state.devices.contains_key(&id);
        let waiting = state.waiting.iter_mut().find(|waiting| waiting.device == id);
        // Who asks for something else is another request: nobody is to approve what they did not see.
        if let Some(waiting) = waiting.filter(|waiting| waiting.scopes == scopes) {
            (waiting.asked_ms, waiting.expires_ms) = (now_ms, expires_ms);
            return Ok((waiting.clone(), false));
        }
        state.waiting.retain(|waiting| waiting.device != id);
        let request = DeviceRequest {
            request_id: hex::encode(random::<16>()?),
            device: id,
            public_key: public_key.chars().take(limits::DEVICE_TEXT).collect(),
            look: cut(look),
            scopes,
            from,
            again,
            asked_ms: now_ms,
            expires_ms,
        };
        while state.waiting.len() >= limits::DEVICES_WAITING {
            state.waiting.pop_front();
        }
        state.waiting.push_back(request.clone());
        Ok((request, true))
    }

    /// Lets in a device that waits, with what it wants as far as `allowed` says so. It fetches its token with its key.
    ///
    /// # Errors
    /// When it does not wait, nothing of what it wants is allowed, there are too many, or it can't be kept.
    pub fn approve(
        &self,
        request_id: &str,
        allowed: impl Fn(OperatorScope) -> bool,
        by: TokenName,
        now_ms: u64,
    ) -> Result<(DeviceRequest, DeviceInfo), DeviceError> {
        let request = self.waiting(request_id, now_ms).ok_or(DeviceError::NotWaiting)?;
        let scopes: Vec<_> = request.scopes.iter().copied().filter(|scope| allowed(*scope)).collect();
        if scopes.is_empty() {
            return Err(DeviceError::NothingAllowed);
        }
        let id = request.device.clone();
        let record = Record {
            id: id.clone(),
            look: request.look.clone(),
            scopes,
            by,
            came_with: None,
            token: None,
            awaited: true,
            created_ms: now_ms,
            last_used_ms: None,
        };
        let info = record.info();
        let former = self.change(|devices| {
            has_room(devices, &id)?;
            Ok(devices.insert(id.clone(), Device::new(record)))
        })?;
        end(former);
        self.lock().waiting.retain(|waiting| waiting.device != id);
        Ok((request, info))
    }

    /// Sends away a device that waits.
    pub fn reject(&self, request_id: &str, now_ms: u64) -> Option<DeviceRequest> {
        let request = self.waiting(request_id, now_ms)?;
        self.lock().waiting.retain(|waiting| waiting.request_id != request_id);
        Some(request)
    }

    /// The token of a device that was approved, if it has not fetched it yet.
    ///
    /// # Errors
    /// When that can't be kept.
    pub fn fetch(&self, id: &DeviceId) -> Result<Option<ShownOnce>, DeviceError> {
        let (shown, token) = draw()?;
        let fetched = self.change(|devices| {
            let device = devices.get_mut(id).filter(|device| device.record.awaited);
            Ok(device.map(|device| (device.record.token, device.record.awaited) = (Some(token), false)).is_some())
        })?;
        Ok(fetched.then_some(shown))
    }

    /// Gives a device a new token; with its old one nobody comes in any more.
    ///
    /// # Errors
    /// When there is no such device, or that can't be kept.
    pub fn rotate(&self, id: &DeviceId) -> Result<(ShownOnce, DeviceInfo), DeviceError> {
        let (shown, token) = draw()?;
        let (info, over) = self.renew(id, Some(token))?;
        over.cancel();
        Ok((shown, info))
    }

    /// Takes a device's token away: it has to be let in anew.
    ///
    /// # Errors
    /// When there is no such device, or that can't be kept: the token then still works.
    pub fn revoke(&self, id: &DeviceId) -> Result<DeviceInfo, DeviceError> {
        let (info, over) = self.renew(id, None)?;
        over.cancel();
        Ok(info)
    }

    /// Calls a device by this name from now on, whatever it says of itself.
    ///
    /// # Errors
    /// When there is no such device, or that can't be kept.
    pub fn rename(&self, id: &DeviceId, name: &str) -> Result<DeviceInfo, DeviceError> {
        let name = Some(name.to_owned());
        self.change(|devices| {
            let device = devices.get_mut(id).ok_or(DeviceError::Unknown)?;
            device.record.look = cut(DeviceLook { name, ..device.record.look.clone() });
            Ok(device.record.info())
        })
    }

    /// Ends a device; says whether there was one. Its connections are told at once.
    ///
    /// # Errors
    /// When the change can't be kept: the device then is still let in.
    pub fn remove(&self, id: &DeviceId) -> Result<bool, DeviceError> {
        let gone = self.change(|devices| Ok(devices.remove(id)))?;
        Ok(end(gone))
    }

    /// Writes down when devices came last, if that is not known yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> Result<(), DeviceError> {
        if !self.lock().used {
            return Ok(());
        }
        self.change(|_| Ok(()))
    }

    fn renew(&self, id: &DeviceId, token: Option<Digest>) -> Result<(DeviceInfo, CancellationToken), DeviceError> {
        self.change(|devices| {
            let device = devices.get_mut(id).ok_or(DeviceError::Unknown)?;
            (device.record.token, device.record.awaited) = (token, false);
            Ok((device.record.info(), std::mem::take(&mut device.revoked)))
        })
    }

    fn waiting(&self, request_id: &str, now_ms: u64) -> Option<DeviceRequest> {
        let mut state = self.lock();
        state.forget(now_ms);
        state.waiting.iter().find(|waiting| waiting.request_id == request_id).cloned()
    }

    /// Makes a change durable before anyone sees it.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<DeviceId, Device>) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut devices = {
            let mut state = self.lock();
            state.used = false;
            state.devices.clone()
        };
        let changed = change(&mut devices).and_then(|done| {
            if let Some(file) = &self.file {
                file.write(devices.values().map(|device| &device.record))?;
            }
            Ok(done)
        });
        let mut state = self.lock();
        let Ok(done) = changed else {
            state.used = true;
            return changed;
        };
        // Uses that were noted meanwhile.
        for (id, device) in &mut devices {
            if let Some(known) = state.devices.get(id) {
                device.record.last_used_ms = known.record.last_used_ms.max(device.record.last_used_ms);
            }
        }
        state.devices = devices;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets who waited too long.
    fn forget(&mut self, now_ms: u64) {
        self.waiting.retain(|waiting| waiting.expires_ms > now_ms);
    }
}

impl Device {
    fn new(record: Record) -> Self {
        Self { record, revoked: CancellationToken::new() }
    }

    fn paired(&self) -> Paired {
        let Record { id, scopes, by, came_with, .. } = self.record.clone();
        Paired { id, scopes, by, came_with, revoked: self.revoked.clone() }
    }
}

fn has_room(devices: &BTreeMap<DeviceId, Device>, id: &DeviceId) -> Result<(), DeviceError> {
    if devices.len() >= limits::DEVICES && !devices.contains_key(id) { Err(DeviceError::TooMany) } else { Ok(()) }
}

fn end(former: Option<Device>) -> bool {
    former.map(|former| former.revoked.cancel()).is_some()
}

/// Cuts what a device says of itself.
fn cut(look: DeviceLook) -> DeviceLook {
    let cut = |text: String| text.chars().take(limits::DEVICE_TEXT).collect::<String>();
    let DeviceLook { name, platform, client, mode } = look;
    DeviceLook { name: name.map(cut), platform: cut(platform), client: cut(client), mode: cut(mode) }
}

/// A new token and its digest.
fn draw() -> Result<(ShownOnce, Digest), DeviceError> {
    let shown = ShownOnce::new(format!("{DEVICE_TOKEN}{}", hex::encode(*random::<32>()?)));
    let token = digest(shown.expose());
    Ok((shown, token))
}
