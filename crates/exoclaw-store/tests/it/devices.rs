use std::{fs, os::unix::fs::PermissionsExt};

use exoclaw_protocol::{DeviceId, DeviceLook, ShownOnce, TokenName, limits, openclaw::OperatorScope};
use exoclaw_store::{Candidate, CredentialError, DeviceError, Devices};
use tokio_util::sync::CancellationToken;

const NOW: u64 = 1_800_000_000_000;
const WITH: [u8; 32] = [9; 32];

fn id(number: usize) -> DeviceId {
    format!("{number:064x}").parse().unwrap()
}

fn candidate(number: usize) -> Candidate {
    let look = DeviceLook { name: Some("x".repeat(1_000)), ..DeviceLook::default() };
    Candidate { id: id(number), look, scopes: vec![OperatorScope::Read, OperatorScope::Write] }
}

fn owner() -> TokenName {
    "owner".parse().unwrap()
}

fn try_pair(devices: &Devices, number: usize) -> Result<ShownOnce, DeviceError> {
    devices.pair(candidate(number), (owner(), WITH), CancellationToken::new(), NOW)
}

fn pair(devices: &Devices, number: usize) -> ShownOnce {
    try_pair(devices, number).unwrap()
}

fn ask(devices: &Devices, number: usize, now_ms: u64) -> String {
    devices.ask(candidate(number), "key", None, now_ms).unwrap().0.request_id
}

fn waiting(devices: &Devices, now_ms: u64) -> usize {
    devices.list(now_ms).waiting.len()
}

#[test]
fn a_device_is_known_by_its_own_token_alone_and_survives() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("credentials");
    let (one, two) = {
        let devices = Devices::open(&directory).unwrap();
        assert!(matches!(Devices::open(&directory), Err(DeviceError::InUse { .. })));
        (pair(&devices, 1), pair(&devices, 2))
    };
    let file = directory.join("devices.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(one.expose()) && !text.contains(&one.expose()["exo_device_".len()..]), "{text}");
    let devices = Devices::open(&directory).unwrap();
    let found = devices.check(&id(1), one.expose(), NOW + 5).unwrap();
    assert_eq!((found.id, found.came_with, found.scopes), (id(1), Some(WITH), candidate(1).scopes));
    assert!(devices.check(&id(1), two.expose(), NOW).is_none());
    assert!(devices.check(&id(3), one.expose(), NOW).is_none());
    devices.flush().unwrap();
    drop(devices);
    let listed = Devices::open(&directory).unwrap().list(NOW).devices;
    assert_eq!((listed[0].last_used_ms, listed[1].last_used_ms), (Some(NOW + 5), None));
    assert_eq!(listed[0].look.name.as_ref().unwrap().len(), limits::DEVICE_TEXT);
}

#[test]
fn an_approved_device_fetches_its_token_once() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("credentials");
    {
        let devices = Devices::open(&directory).unwrap();
        let request = ask(&devices, 1, NOW);
        assert!(devices.awaited(&id(1)).is_none());
        let read = |scope| scope == OperatorScope::Read;
        let (_, info) = devices.approve(&request, read, owner(), NOW).unwrap();
        assert_eq!((info.scopes, info.has_token, waiting(&devices, NOW)), (vec![OperatorScope::Read], false, 0));
        assert!(matches!(devices.approve(&request, read, owner(), NOW), Err(DeviceError::NotWaiting)));
    }
    let devices = Devices::open(&directory).unwrap();
    assert_eq!(devices.awaited(&id(1)).unwrap().came_with, None);
    let token = devices.fetch(&id(1)).unwrap().unwrap();
    assert!(devices.awaited(&id(1)).is_none() && devices.fetch(&id(1)).unwrap().is_none());
    assert!(devices.check(&id(1), token.expose(), NOW).is_some());
    // Without its token it is not awaited again.
    devices.revoke(&id(1)).unwrap();
    assert!(devices.awaited(&id(1)).is_none() && devices.check(&id(1), token.expose(), NOW).is_none());
}

#[test]
fn whoever_waits_is_bounded_in_number_and_time() {
    let devices = Devices::in_memory();
    let first = ask(&devices, 0, NOW);
    for number in 1..limits::DEVICES_WAITING {
        ask(&devices, number, NOW);
    }
    assert_eq!(ask(&devices, 0, NOW), first);
    ask(&devices, limits::DEVICES_WAITING, NOW);
    let listed = devices.list(NOW).waiting;
    assert_eq!((listed.len(), &listed[0].device), (limits::DEVICES_WAITING, &id(1)));
    assert!(devices.reject(&first, NOW).is_none());
    let end = NOW + u64::try_from(limits::DEVICE_WAIT.as_millis()).unwrap();
    let asked_again = ask(&devices, 5, NOW + 1);
    assert_eq!(waiting(&devices, end), 1);
    assert!(matches!(devices.approve(&asked_again, |_| true, owner(), end + 1), Err(DeviceError::NotWaiting)));
    assert_eq!(waiting(&devices, end + 1), 0);
}

#[test]
fn who_wants_something_else_is_another_request() {
    let devices = Devices::in_memory();
    let first = ask(&devices, 1, NOW);
    let more = Candidate { scopes: vec![OperatorScope::Admin], ..candidate(1) };
    let (second, is_new) = devices.ask(more, "key", None, NOW).unwrap();
    assert!(is_new && second.request_id != first && waiting(&devices, NOW) == 1);
    assert!(matches!(devices.approve(&first, |_| true, owner(), NOW), Err(DeviceError::NotWaiting)));
    assert!(matches!(devices.approve(&second.request_id, |_| false, owner(), NOW), Err(DeviceError::NothingAllowed)));
}

#[test]
fn there_are_so_many_devices_and_no_more() {
    let devices = Devices::in_memory();
    for number in 0..limits::DEVICES {
        pair(&devices, number);
    }
    assert!(matches!(try_pair(&devices, limits::DEVICES), Err(DeviceError::TooMany)));
    let request = ask(&devices, limits::DEVICES, NOW);
    assert!(matches!(devices.approve(&request, |_| true, owner(), NOW), Err(DeviceError::TooMany)));
    pair(&devices, 0);
    assert!(devices.remove(&id(0)).unwrap() && !devices.remove(&id(0)).unwrap());
    pair(&devices, limits::DEVICES);
}

#[test]
fn what_ends_a_device_is_told() {
    let devices = Devices::in_memory();
    let revoked = |number| devices.known(&id(number)).unwrap().revoked;
    let own = CancellationToken::new();
    devices.pair(candidate(1), (owner(), WITH), own.clone(), NOW).unwrap();
    let (token, _) = devices.rotate(&id(1)).unwrap();
    assert!(own.is_cancelled());
    let second = revoked(1);
    assert!(devices.check(&id(1), token.expose(), NOW).is_some() && !second.is_cancelled());
    devices.revoke(&id(1)).unwrap();
    assert!(second.is_cancelled());
    let third = revoked(1);
    devices.remove(&id(1)).unwrap();
    assert!(third.is_cancelled());
    for unknown in [devices.rotate(&id(1)).map(|_| ()), devices.revoke(&id(1)).map(|_| ())] {
        assert!(matches!(unknown, Err(DeviceError::Unknown)));
    }
}

#[test]
fn a_file_that_is_not_ours_or_no_list_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("credentials");
    pair(&Devices::open(&directory).unwrap(), 1);
    let file = directory.join("devices.json");
    let good = fs::read_to_string(&file).unwrap();
    for broken in ["", "{}", &good.replace("\"version\": 1", "\"version\": 2"), &good[..good.len() / 2]] {
        fs::write(&file, broken).unwrap();
        assert!(matches!(Devices::open(&directory), Err(DeviceError::Broken { .. })), "{broken}");
    }
    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Devices::open(&directory);
    assert!(matches!(refused, Err(DeviceError::File(CredentialError::Open { .. }))), "{refused:?}");
}
