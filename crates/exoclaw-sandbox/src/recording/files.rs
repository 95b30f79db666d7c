//! What a guest could see of its directories, and the same laid out for another call.

use std::{
    fs, io,
    path::{Component, Path},
    time::{Duration, SystemTime},
};

use wasmtime::{Result, component::Resource};
use wasmtime_wasi::{
    filesystem::WasiFilesystemCtxView,
    p2::bindings::filesystem::types::{
        DescriptorFlags, DescriptorStat, DescriptorType, HostDescriptor, HostDirectoryEntryStream, OpenFlags, PathFlags,
    },
};

use super::{Blob, FileKind, FileTold, Player, Recorder};
use crate::permit::Dir;

/// Bytes that are read at once.
const CHUNK: u64 = 64 * 1024;

/// Keeps what is at a path, content included, before the guest opens it.
pub(super) async fn look(
    recorder: &Recorder,
    view: &mut WasiFilesystemCtxView<'_>,
    from: u32,
    flags: PathFlags,
    path: &str,
) -> Result<()> {
    let Some(place) = recorder.place(from, path).filter(|place| recorder.is_new(place)) else { return Ok(()) };
    let dir = Resource::new_borrow(from);
    let what = match view.open_at(dir, flags, path.to_owned(), OpenFlags::empty(), DescriptorFlags::READ).await {
        Ok(opened) => {
            let kind = read(recorder, view, opened.rep()).await;
            HostDescriptor::drop(view, opened)?;
            kind
        }
        Err(_) => Some(FileKind::Absent),
    };
    if let Some(what) = what {
        let (dir, path) = place;
        recorder.file(FileTold { dir, path, what });
    }
    Ok(())
}

/// The whole of what is open; none where it can't be read.
async fn read(recorder: &Recorder, view: &mut WasiFilesystemCtxView<'_>, opened: u32) -> Option<FileKind> {
    let stat = view.stat(Resource::new_borrow(opened)).await.ok()?;
    let kind = kind(&stat)?;
    let FileKind::File { size, modified_ms, .. } = kind else { return Some(kind) };
    if usize::try_from(size).is_ok_and(|size| size <= recorder.room()) {
        let mut content = Vec::new();
        loop {
            let (more, is_end) = view.read(Resource::new_borrow(opened), CHUNK, content.len() as u64).await.ok()?;
            content.extend(more);
            if is_end || content.len() > recorder.room() {
                break;
            }
        }
        return Some(FileKind::File { size, modified_ms, content: Some(Blob(content)) });
    }
    recorder.cut();
    None
}

/// Keeps what a guest learns of a path that it does not open.
pub(super) fn stat(recorder: &Recorder, from: u32, path: &str, stat: Option<&DescriptorStat>) {
    let Some((dir, path)) = recorder.place(from, path) else { return };
    if let Some(what) = stat.map_or(Some(FileKind::Absent), kind) {
        recorder.seen(FileTold { dir, path, what });
    }
}

/// Keeps the names in a directory, before the guest reads them.
pub(super) async fn list(recorder: &Recorder, view: &mut WasiFilesystemCtxView<'_>, dir: u32) -> Result<()> {
    let Ok(entries) = view.read_directory(Resource::new_borrow(dir)).await else { return Ok(()) };
    let entry = entries.rep();
    while let Ok(Some(entry)) = view.read_directory_entry(Resource::new_borrow(entry)).await {
        let found = view.stat_at(Resource::new_borrow(dir), PathFlags::empty(), entry.name.clone()).await;
        stat(recorder, dir, &entry.name, found.as_ref().ok());
    }
    HostDirectoryEntryStream::drop(view, entries)
}

fn kind(stat: &DescriptorStat) -> Option<FileKind> {
    match stat.type_ {
        DescriptorType::Directory => Some(FileKind::Directory),
        DescriptorType::RegularFile => {
            let modified = stat.data_modification_timestamp.as_ref();
            let modified_ms = modified.map_or(0, |at| at.seconds * 1000 + u64::from(at.nanoseconds / 1_000_000));
            Some(FileKind::File { size: stat.size, modified_ms, content: None })
        }
        // Links and devices can't be laid out.
        _ => None,
    }
}

impl Player {
    /// Lays out, below `root`, the directories of a permit as they were recorded; nothing where nothing was. Blocks.
    pub(crate) fn lay_out(&self, dirs: &[Dir], root: &Path) -> io::Result<Option<Vec<Dir>>> {
        let Some(files) = self.files() else { return Ok(None) };
        let mut laid_out = Vec::with_capacity(dirs.len());
        for (number, dir) in dirs.iter().enumerate() {
            let host = root.join(number.to_string());
            fs::create_dir_all(&host)?;
            for told in files.iter().filter(|told| told.dir == dir.guest) {
                put(&host, told)?;
            }
            laid_out.push(Dir { host: host.canonicalize()?, guest: dir.guest.clone(), access: dir.access });
        }
        Ok(Some(laid_out))
    }
}

fn put(root: &Path, FileTold { path, what, .. }: &FileTold) -> io::Result<()> {
    let path = Path::new(path);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a recorded path leads out of its directory"));
    }
    let path = root.join(path);
    match what {
        FileKind::Absent => Ok(()),
        FileKind::Directory => fs::create_dir_all(path),
        FileKind::File { size, modified_ms, content } => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, content.as_ref().map_or(&[][..], |Blob(content)| content))?;
            let file = fs::File::options().write(true).open(&path)?;
            if content.is_none() {
                file.set_len(*size)?;
            }
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(*modified_ms))
        }
    }
}
