//! The files of the page.

use std::{io::Read, sync::OnceLock};

use flate2::read::GzDecoder;

use crate::encoding::{Encoding, preferred};

/// One file of the page. Held compressed: every browser reads one of the forms.
#[derive(Debug)]
pub struct File {
    /// Its name, without a leading slash.
    pub path: &'static str,
    /// Value of `content-type`.
    pub media_type: &'static str,
    /// The start of the SHA-256 of the file, in hexadecimal.
    pub digest: &'static str,
    /// Its name follows from what it is: under this name there will never be another.
    pub lasting: bool,
    /// The file compressed with Brotli (RFC 7932).
    pub brotli: &'static [u8],
    /// The file compressed with gzip (RFC 1952).
    pub gzip: &'static [u8],
    pub(crate) plain: OnceLock<Vec<u8>>,
}

/// A file as it goes into one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The body.
    pub body: &'static [u8],
    /// Value of `content-encoding`, if there is one.
    pub encoding: Option<&'static str>,
    /// Value of `etag`. Strong, so each encoding has its own (RFC 9110, section 8.8.3.3).
    pub etag: String,
}

impl File {
    /// The form that suits an `accept-encoding` header best; `""` where there was none.
    pub fn encoded(&'static self, accept_encoding: &str) -> Encoded {
        let (body, encoding) = match preferred(accept_encoding) {
            Encoding::Brotli => (self.brotli, Some("br")),
            Encoding::Gzip => (self.gzip, Some("gzip")),
            Encoding::Identity => (self.plain(), None),
        };
        let etag = format!("\"{}-{}\"", self.digest, encoding.unwrap_or("raw"));
        Encoded { body, encoding, etag }
    }

    /// The file itself. Decompressed when it is first asked for, and kept.
    pub fn plain(&self) -> &[u8] {
        self.plain.get_or_init(|| {
            let mut plain = Vec::new();
            // What the build script compressed can be read.
            let read = GzDecoder::new(self.gzip).read_to_end(&mut plain);
            debug_assert!(read.is_ok(), "{}: {read:?}", self.path);
            plain
        })
    }
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Every file of the page, in order of path.
pub static FILES: &[File] = &EMBEDDED;

/// The file that answers the path of a URL; `/` is the start page.
pub fn find(path: &str) -> Option<&'static File> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = if path.is_empty() { "index.html" } else { path };
    FILES.binary_search_by(|file| file.path.cmp(path)).ok().map(|at| &FILES[at])
}
