//! Stands before those functions of WASI that tell a guest something, and keeps or replaces what they tell.

use wasmtime::{
    Result, StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi::{
    WasiView,
    clocks::WasiClocksView,
    filesystem::{Descriptor, WasiFilesystemView},
    p2::bindings::{
        clocks::{monotonic_clock, wall_clock},
        filesystem::{
            preopens,
            types::{
                DescriptorFlags, DescriptorStat, DirectoryEntryStream, ErrorCode, Host, HostDescriptor, OpenFlags,
                PathFlags,
            },
        },
        random::{insecure, insecure_seed, random},
    },
};

use super::{Tape, files};
use crate::state::State;

/// The version of WASI that `wasmtime-wasi` defines; a test notices when they drift apart.
macro_rules! wasi {
    ($interface:literal) => {
        concat!("wasi:", $interface, "@0.2.12")
    };
}

/// Replaces them in a linker that may be shadowed.
pub(crate) fn shadow(l: &mut Linker<State>) -> Result<()> {
    l.instance(wasi!("clocks/wall-clock"))?.func_wrap("now", wall)?;
    l.instance(wasi!("clocks/monotonic-clock"))?.func_wrap("now", monotonic)?;

    let mut secure = l.instance(wasi!("random/random"))?;
    secure.func_wrap("get-random-bytes", |store, (len,): (u64,)| {
        bytes(store, |state| random::Host::get_random_bytes(state.ctx().ctx.random(), len))
    })?;
    secure.func_wrap("get-random-u64", |store, (): ()| {
        number(store, |state| random::Host::get_random_u64(state.ctx().ctx.random()))
    })?;
    let mut insecure = l.instance(wasi!("random/insecure"))?;
    insecure.func_wrap("get-insecure-random-bytes", |store, (len,): (u64,)| {
        bytes(store, |state| insecure::Host::get_insecure_random_bytes(state.ctx().ctx.random(), len))
    })?;
    insecure.func_wrap("get-insecure-random-u64", |store, (): ()| {
        number(store, |state| insecure::Host::get_insecure_random_u64(state.ctx().ctx.random()))
    })?;
    l.instance(wasi!("random/insecure-seed"))?.func_wrap("insecure-seed", seed)?;

    l.instance(wasi!("filesystem/preopens"))?.func_wrap("get-directories", directories)?;
    let mut types = l.instance(wasi!("filesystem/types"))?;
    types.func_wrap_async("[method]descriptor.open-at", |store, arguments| Box::new(open(store, arguments)))?;
    types.func_wrap_async("[method]descriptor.stat-at", |store, arguments| Box::new(stat(store, arguments)))?;
    types.func_wrap_async("[method]descriptor.read-directory", |store, arguments| Box::new(list(store, arguments)))?;
    Ok(())
}

type Store<'a> = StoreContextMut<'a, State>;

fn wall(mut store: Store<'_>, (): ()) -> Result<(wall_clock::Datetime,)> {
    let state = store.data_mut();
    let now = wall_clock::Host::now(&mut state.clocks())?;
    Ok((match &state.tape {
        Tape::Off => now,
        Tape::Record(recorder) => {
            recorder.wall((now.seconds, now.nanoseconds));
            now
        }
        Tape::Play(player) => {
            player.wall().map_or(now, |(seconds, nanoseconds)| wall_clock::Datetime { seconds, nanoseconds })
        }
    },))
}

fn monotonic(mut store: Store<'_>, (): ()) -> Result<(u64,)> {
    let state = store.data_mut();
    let now = monotonic_clock::Host::now(&mut state.clocks())?;
    Ok((match &state.tape {
        Tape::Off => now,
        Tape::Record(recorder) => {
            recorder.monotonic(now);
            now
        }
        Tape::Play(player) => player.monotonic().unwrap_or(now),
    },))
}

/// Fresh random bytes, or in their place as many that were given before.
fn given(state: &State, bytes: &mut [u8]) {
    match &state.tape {
        Tape::Off => {}
        Tape::Record(recorder) => recorder.random(bytes),
        Tape::Play(player) => {
            if let Some(told) = player.random(bytes.len()) {
                bytes.copy_from_slice(&told);
            }
        }
    }
}

fn bytes(mut store: Store<'_>, fresh: impl FnOnce(&mut State) -> Result<Vec<u8>>) -> Result<(Vec<u8>,)> {
    // Made in any case: it is what bounds their number.
    let mut bytes = fresh(store.data_mut())?;
    given(store.data(), &mut bytes);
    Ok((bytes,))
}

fn number(mut store: Store<'_>, fresh: impl FnOnce(&mut State) -> Result<u64>) -> Result<(u64,)> {
    let mut bytes = fresh(store.data_mut())?.to_le_bytes();
    given(store.data(), &mut bytes);
    Ok((u64::from_le_bytes(bytes),))
}

fn seed(mut store: Store<'_>, (): ()) -> Result<((u64, u64),)> {
    let (high, low) = insecure_seed::Host::insecure_seed(store.data_mut().ctx().ctx.random())?;
    let mut bytes = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
    given(store.data(), &mut bytes);
    let seed = u128::from_le_bytes(bytes);
    Ok((((seed >> 64) as u64, seed as u64),))
}

type Directories = Vec<(Resource<Descriptor>, String)>;

fn directories(mut store: Store<'_>, (): ()) -> Result<(Directories,)> {
    let state = store.data_mut();
    let found = preopens::Host::get_directories(&mut state.filesystem())?;
    if let Tape::Record(recorder) = &state.tape {
        for (descriptor, dir) in &found {
            recorder.leads(descriptor.rep(), dir.clone(), String::new());
        }
    }
    Ok((found,))
}

type OpenArguments = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

async fn open(
    mut store: Store<'_>,
    (dir, flags, path, how, rights): OpenArguments,
) -> Result<(Result<Resource<Descriptor>, ErrorCode>,)> {
    let state = store.data_mut();
    let from = dir.rep();
    if let Tape::Record(recorder) = &state.tape {
        files::look(&recorder.clone(), &mut state.filesystem(), from, flags, &path).await?;
    }
    let mut view = state.filesystem();
    let opened = match view.open_at(dir, flags, path.clone(), how, rights).await {
        Ok(opened) => Ok(opened),
        Err(error) => Err(view.convert_error_code(error)?),
    };
    if let (Tape::Record(recorder), Ok(opened)) = (&state.tape, &opened)
        && let Some((dir, path)) = recorder.place(from, &path)
    {
        recorder.leads(opened.rep(), dir, path);
    }
    Ok((opened,))
}

async fn stat(
    mut store: Store<'_>,
    (dir, flags, path): (Resource<Descriptor>, PathFlags, String),
) -> Result<(Result<DescriptorStat, ErrorCode>,)> {
    let state = store.data_mut();
    let from = dir.rep();
    let mut view = state.filesystem();
    let found = match view.stat_at(dir, flags, path.clone()).await {
        Ok(found) => Ok(found),
        Err(error) => Err(view.convert_error_code(error)?),
    };
    if let Tape::Record(recorder) = &state.tape {
        files::stat(recorder, from, &path, found.as_ref().ok());
    }
    Ok((found,))
}

async fn list(
    mut store: Store<'_>,
    (dir,): (Resource<Descriptor>,),
) -> Result<(Result<Resource<DirectoryEntryStream>, ErrorCode>,)> {
    let state = store.data_mut();
    if let Tape::Record(recorder) = &state.tape {
        files::list(&recorder.clone(), &mut state.filesystem(), dir.rep()).await?;
    }
    let mut view = state.filesystem();
    Ok((match view.read_directory(dir).await {
        Ok(entries) => Ok(entries),
        Err(error) => Err(view.convert_error_code(error)?),
    },))
}
