//! The interfaces of `wit/plugin.wit` that a guest calls, and the linker that offers them beside WASI.

mod sockets;
mod verify;

use tracing::Level;
use wasmtime::{
    Engine, Result, StoreContextMut,
    component::{HasSelf, Linker, Resource},
};
use wasmtime_wasi::{
    WasiView,
    cli::{WasiCli, WasiCliView},
    filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, filesystem, random},
    random::WasiRandom,
};

use crate::{
    Denial, KeyValue, KeyValueError,
    bindings::{
        channel::exoclaw::plugin::verify as secrets,
        exoclaw::plugin::{budget, kv, log, progress, types},
    },
    limits,
    output::cut,
    recording::{Blob, KvAnswer, Tape, shadow},
    state::State,
};

pub(crate) use sockets::deny as deny_sockets;

/// Interfaces that every component may import, by package and interface; what they give depends on the grants.
pub(crate) const OFFERED: [&str; 14] = [
    "exoclaw:plugin/types",
    "exoclaw:plugin/log",
    "exoclaw:plugin/kv",
    "exoclaw:plugin/budget",
    "exoclaw:plugin/progress",
    "exoclaw:plugin/verify",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/",
    "wasi:random/",
    sockets::PACKAGE,
];

/// The version of WASI that `wasmtime-wasi` defines; a test notices when they drift apart.
const FILESYSTEM_TYPES: &str = "wasi:filesystem/types@0.2.12";

/// Everything that gives a guest something. Sockets, which give nothing, are for [`deny_sockets`].
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    log::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    kv::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    progress::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    secrets::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    l.instance("exoclaw:plugin/budget@0.1.0")?.func_wrap("remaining", remaining)?;

    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;

    // wasi:io, clocks, stdio and random, without sockets.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(l)?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;

    // No guest follows a link out of its directory, but another program might follow one that a guest made.
    l.allow_shadowing(true);
    l.instance(FILESYSTEM_TYPES)?.func_wrap("[method]descriptor.symlink-at", no_links)?;
    shadow(l)?;
    l.allow_shadowing(false);
    Ok(linker)
}

type SymlinkArguments = (Resource<Descriptor>, String, String);

fn no_links(
    mut store: StoreContextMut<'_, State>,
    _: SymlinkArguments,
) -> Result<(Result<(), filesystem::types::ErrorCode>,)> {
    store.data_mut().count()?;
    Ok((Err(filesystem::types::ErrorCode::NotPermitted),))
}

fn remaining(mut store: StoreContextMut<'_, State>, (): ()) -> Result<(budget::Allowance,)> {
    store.data_mut().count()?;
    let fuel = store.get_fuel()?;
    let state = store.data();
    Ok((budget::Allowance {
        time_ms: u64::try_from(state.left().as_millis()).unwrap_or(u64::MAX),
        fuel,
        memory_bytes: state.ceiling.memory_left() as u64,
        host_calls: state.meter.host_call_limit - state.meter.host_calls,
    },))
}

impl types::Host for State {}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> Result<()> {
        self.count()?;
        let level = match level {
            log::Level::Trace => Level::TRACE,
            log::Level::Debug => Level::DEBUG,
            log::Level::Info => Level::INFO,
            log::Level::Warn => Level::WARN,
            log::Level::Error => Level::ERROR,
        };
        self.lines.line(level, &message);
        Ok(())
    }
}

impl progress::Host for State {
    fn report(&mut self, fraction: Option<f32>, message: String) -> Result<()> {
        self.count()?;
        self.meter.bytes_out += message.len() as u64;
        if let Some(progress) = &self.host.progress
            && self.reports > 0
        {
            self.reports -= 1;
            let fraction = fraction.filter(|fraction| fraction.is_finite()).map(|fraction| fraction.clamp(0.0, 1.0));
            progress(fraction, cut(&message, limits::PROGRESS_BYTES).to_owned());
        }
        Ok(())
    }
}

impl State {
    /// The store, if there is one for this plugin and the key fits it.
    fn store(&self, key: &str) -> Result<&dyn KeyValue, kv::Error> {
        if !self.may_store {
            if let Some(denied) = &self.host.denied {
                denied(Denial::Store);
            }
            return Err(kv::Error::Denied);
        }
        if key.len() > limits::KV_KEY_BYTES {
            return Err(kv::Error::TooLarge);
        }
        self.host.kv.as_deref().ok_or(kv::Error::Unavailable)
    }

    /// What its store told another guest, where that is played.
    fn played(&self, key: &str, is_kind: impl Fn(&KvAnswer) -> bool) -> Option<KvAnswer> {
        match &self.tape {
            Tape::Play(player) => player.kv(key, is_kind),
            Tape::Off | Tape::Record(_) => None,
        }
    }

    /// Keeps what its store tells, where that is recorded.
    fn told(&self, key: &str, answer: impl FnOnce() -> KvAnswer) {
        if let Tape::Record(recorder) = &self.tape {
            recorder.kv(key, answer());
        }
    }

    /// What the guest learns of a failure; the operator learns all of it.
    fn refused(&self, error: KeyValueError) -> kv::Error {
        match error {
            KeyValueError::Denied => kv::Error::Denied,
            KeyValueError::OverQuota => kv::Error::OverQuota,
            KeyValueError::TooLarge => kv::Error::TooLarge,
            KeyValueError::Failed(source) => {
                tracing::warn!(error = &*source as &dyn std::error::Error, "a plugin's store failed");
                kv::Error::Unavailable
            }
        }
    }
}

impl kv::Host for State {
    async fn get(&mut self, key: String) -> Result<Result<Option<Vec<u8>>, kv::Error>> {
        self.count()?;
        let is_value = |answer: &KvAnswer| matches!(answer, KvAnswer::Value(_));
        let got = match (self.played(&key, is_value), self.store(&key)) {
            (Some(KvAnswer::Value(value)), Ok(_)) => Ok(value.map(|Blob(value)| value)),
            (_, Ok(store)) => store.get(key.clone()).await.map_err(|error| self.refused(error)),
            (_, Err(error)) => Err(error),
        };
        if let Ok(value) = &got {
            self.told(&key, || KvAnswer::Value(value.clone().map(Blob)));
        }
        if let Ok(Some(value)) = &got {
            self.meter.bytes_in += value.len() as u64;
        }
        Ok(got)
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<Result<(), kv::Error>> {
        self.count()?;
        self.meter.bytes_out += value.len() as u64;
        Ok(match self.store(&key) {
            Ok(_) if value.len() > limits::KV_VALUE_BYTES => Err(kv::Error::TooLarge),
            Ok(store) => store.set(key, value).await.map_err(|error| self.refused(error)),
            Err(error) => Err(error),
        })
    }

    async fn delete(&mut self, key: String) -> Result<Result<(), kv::Error>> {
        self.count()?;
        Ok(match self.store(&key) {
            Ok(store) => store.delete(key).await.map_err(|error| self.refused(error)),
            Err(error) => Err(error),
        })
    }

    async fn keys(&mut self, prefix: String, limit: u32) -> Result<Result<Vec<String>, kv::Error>> {
        self.count()?;
        let is_list = |answer: &KvAnswer| matches!(answer, KvAnswer::Keys(_));
        let limit = limit.min(limits::KV_KEYS);
        let keys = match (self.played(&prefix, is_list), self.store(&prefix)) {
            (Some(KvAnswer::Keys(keys)), Ok(_)) => Ok(keys),
            (_, Ok(store)) => store.keys(prefix.clone(), limit).await.map_err(|error| self.refused(error)),
            (_, Err(error)) => Err(error),
        };
        if let Ok(keys) = &keys {
            self.told(&prefix, || KvAnswer::Keys(keys.clone()));
        }
        if let Ok(keys) = &keys {
            self.meter.bytes_in += keys.iter().map(|key| key.len() as u64).sum::<u64>();
        }
        Ok(keys)
    }
}
