//! Compiled components on disk, so that a start compiles nothing.
//!
//! Compiled code runs with the daemon's rights, so only files that this user alone can write are mapped, and only if their
//! bytes are those that were written. Whatever is wrong with an entry, the component is compiled anew.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use crate::{LoadError, Sha256Digest};

/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// Bytes of a file that are read at a time.
const PART: usize = 256 << 10;

/// Compiled components, by component and engine.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// Names the engine's version and settings: code of another engine is never looked at.
    engine: String,
}

impl Cache {
    pub(crate) fn new(dir: PathBuf, engine: &Engine) -> Self {
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { dir, engine: hex::encode(&hasher.0.finalize()[..8]) }
    }

    /// The compiled component, from disk if it is there and sound; otherwise it is compiled and kept.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: &Sha256Digest,
        compile: impl FnOnce() -> Result<Component, LoadError>,
    ) -> Result<Component, LoadError> {
        match self.read(engine, digest) {
            Ok(Some(component)) => return Ok(component),
            Ok(None) => {}
            Err(error) => self.skipped(digest, "read", &*error),
        }
        let component = compile()?;
        if let Err(error) = component.serialize().map_err(io::Error::other).and_then(|code| self.write(digest, &code)) {
            self.skipped(digest, "write", &error);
        }
        Ok(component)
    }

    fn skipped(&self, digest: &Sha256Digest, what: &str, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(dir = %self.dir.display(), component = %digest, what, error, "compiled component not cached");
    }

    fn path(&self, digest: &Sha256Digest, ending: &str) -> PathBuf {
        self.dir.join(format!("{digest}-{}.{ending}", self.engine))
    }

    fn read(
        &self,
        engine: &Engine,
        digest: &Sha256Digest,
    ) -> Result<Option<Component>, Box<dyn std::error::Error + Send + Sync>> {
        let code = self.path(digest, "cwasm");
        if !code.try_exists()? {
            return Ok(None);
        }
        only_ours(&self.dir, fs::symlink_metadata(&self.dir)?)?;
        only_ours(&code, fs::symlink_metadata(&code)?)?;
        let sum = self.path(digest, "sum");
        only_ours(&sum, fs::symlink_metadata(&sum)?)?;
        if Sum::of(File::open(&code)?)?.0[..] != fs::read(&sum)? {
            return Err(format!("{} is damaged", code.display()).into());
        }
        Ok(Some(map(engine, &code)?))
    }

    fn write(&self, digest: &Sha256Digest, code: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        only_ours(&self.dir, fs::symlink_metadata(&self.dir)?)?;
        replace(&self.path(digest, "sum"), &Sum::of(code)?.0)?;
        replace(&self.path(digest, "cwasm"), code)
    }
}

/// Maps compiled code.
#[expect(unsafe_code, reason = "wasmtime runs what the file holds, so it can't check it: the caller must")]
fn map(engine: &Engine, code: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by `Cache::write` from `Component::serialize` of an engine with the same compatibility
    // hash: it lies in a directory, and is a file, that this user owns and nobody else can enter or write (`only_ours`),
    // and its bytes are those that were written ([`Sum`]).
    unsafe { Component::deserialize_file(engine, code) }
}

/// Refuses a file or directory, or a link to one, that another user owns or may touch.
fn only_ours(path: &Path, metadata: fs::Metadata) -> io::Result<()> {
    let owner = rustix::process::geteuid().as_raw();
    let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display())));
    if metadata.is_symlink() {
        return refused("is a link");
    }
    if metadata.uid() != owner {
        return refused("belongs to another user");
    }
    if metadata.mode() & OTHERS != 0 {
        return refused("is open to other users");
    }
    Ok(())
}

/// Writes a file so that it is there whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    // A leftover of a crashed process with the same id.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&unfinished, path)
}

/// Length and CRC-32 of a file, little-endian: tells damage. Whoever could forge it could write the file as well, so that a
/// cryptographic hash would say no more, and take longer than all the rest of a load.
struct Sum([u8; 12]);

impl Sum {
    fn of(mut file: impl Read) -> io::Result<Self> {
        let (mut hasher, mut length, mut part) = (crc32fast::Hasher::new(), 0_u64, vec![0; PART]);
        loop {
            match file.read(&mut part) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(&part[..read]);
                    length += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut sum = [0; 12];
        sum[..8].copy_from_slice(&length.to_le_bytes());
        sum[8..].copy_from_slice(&hasher.finalize().to_le_bytes());
        Ok(Self(sum))
    }
}

/// Hashes alike in every process, as the standard library's hasher doesn't promise.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let sum = self.0.clone().finalize();
        sum.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}
