//! Writes the files of a folder with their compressed forms, and the table that embeds them.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::{Result, names};

/// Writes `files.rs` into `out_dir`: a table of every file of `dist`, in order of path.
pub(crate) fn write(dist: &Path, out_dir: &Path, best: bool) -> Result<()> {
    let encoded = out_dir.join("encoded");
    // Files of an older page must not stay: their names follow from their content.
    if encoded.exists() {
        for entry in fs::read_dir(&encoded)? {
            let path = entry?.path();
            let of = path.file_stem().unwrap_or_default();
            if !dist.join(of).is_file() {
                fs::remove_file(path)?;
            }
        }
    }
    fs::create_dir_all(&encoded)?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(dist).map_err(|error| format!("read {}: {error}", dist.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();

    let mut table = format!("static EMBEDDED: [File; {}] = [\n", paths.len());
    for path in paths {
        let raw = fs::read(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| format!("{}: want a name in Unicode", path.display()))?;
        let place = |suffix: &str| encoded.join(format!("{name}{suffix}"));
        write_if_changed(&place(".br"), &brotli(&raw, best)?)?;
        write_if_changed(&place(".gz"), &gzip(&raw, best)?)?;
        let digest = hex::encode(&Sha256::digest(&raw)[..16]);
        let lasting = name.contains(&format!("-{}.", names::mark(&raw)));
        writeln!(
            table,
            "File {{ path: {name:?}, media_type: {:?}, digest: {digest:?}, lasting: {lasting}, \
             brotli: include_bytes!({:?}), gzip: include_bytes!({:?}), plain: OnceLock::new() }},",
            media_type(name)?,
            place(".br"),
            place(".gz"),
        )?;
    }
    table.push_str("];\n");
    write_if_changed(&out_dir.join("files.rs"), table.as_bytes())
}

/// By extension. An unknown one is an error: served without a type, a browser would refuse or guess.
fn media_type(name: &str) -> Result<&'static str> {
    Ok(match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => return Err(format!("{name}: no media type is known for it").into()),
    })
}

fn brotli(raw: &[u8], best: bool) -> Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: if best { 11 } else { 5 },
        lgwin: 22,
        size_hint: raw.len(),
        ..Default::default()
    };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &raw[..], &mut out, &params)?;
    Ok(out)
}

fn gzip(raw: &[u8], best: bool) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), if best { Compression::best() } else { Compression::fast() });
    encoder.write_all(raw)?;
    Ok(encoder.finish()?)
}

/// Leaves a file alone that is already right, so that nothing above is compiled again.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).map_err(|error| format!("write {}: {error}", path.display()).into())
}
