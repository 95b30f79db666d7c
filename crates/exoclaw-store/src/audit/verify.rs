//! Checking a trail.

use std::{fmt, path::Path};

use super::{
    TrailError,
    file::{FILE_BYTES, Head, files, name_of},
    line::{Hash, Line},
};
use crate::private::PrivateDirectory;

/// Problems that are named; more are only counted.
const PROBLEMS: usize = 100;

/// What checking a trail found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records that are right.
    pub records: u64,
    /// Number of the oldest and of the newest of them.
    pub span: Option<(u64, u64)>,
    /// What is wrong, the first hundred of them.
    pub problems: Vec<Problem>,
    /// How many more are wrong.
    pub more: u64,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn wrong(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }
}

/// Something that is wrong with a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A line that is no record.
    NoRecord {
        /// File and line.
        place: String,
    },
    /// The record's hash does not follow from it and the one before: one of them was changed, removed or put in.
    Changed {
        /// File and line.
        place: String,
        /// The number that it says it has.
        seq: u64,
    },
    /// Records are missing, or stand elsewhere.
    Gap {
        /// File and line of the record after the gap.
        place: String,
        /// The number that should follow.
        wanted: u64,
        /// The number that does.
        found: u64,
    },
    /// The newest records are gone.
    CutOff {
        /// The newest that there is.
        found: u64,
        /// The newest that there was.
        wanted: u64,
    },
    /// The newest record is another one than was written.
    OtherEnd {
        /// Its number.
        seq: u64,
    },
    /// What tells the end is gone, so that a cut can't be seen.
    NoHead,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord { place } => write!(f, "{place}: this is no record"),
            Self::Changed { place, seq } => {
                write!(f, "{place}: record {seq}, or what stood before it, was changed, removed or put in")
            }
            Self::Gap { place, wanted, found } if found > wanted => {
                write!(f, "{place}: records {wanted} to {} are missing before this one", found - 1)
            }
            Self::Gap { place, wanted, found } => write!(f, "{place}: record {found} where {wanted} belongs"),
            Self::CutOff { found, wanted } => {
                write!(f, "the newest records are missing: {wanted} was written, {found} is the last that is here")
            }
            Self::OtherEnd { seq } => write!(f, "record {seq} is another one than was written"),
            Self::NoHead => f.write_str("the head beside the credentials is missing: a cut-off end can't be seen"),
        }
    }
}

/// Checks the trail in `records` against the head in `head`. Whoever writes it may go on meanwhile.
///
/// # Errors
/// When a directory can't be read, or others can read it.
pub fn verify(records: &Path, head: &Path) -> Result<Verdict, TrailError> {
    let directory = PrivateDirectory::new(records.to_owned());
    // Read first: what is written meanwhile comes after it.
    let head = Head::read(&PrivateDirectory::new(head.to_owned()))?;
    let mut verdict = Verdict::default();
    let all = files(&directory)?;
    let files: Vec<u64> = match &head {
        // What was to be removed and is still there is no part of the trail.
        Some(head) => all.into_iter().filter(|seq| *seq >= head.first).collect(),
        None => all,
    };
    match &head {
        None if files.is_empty() => return Ok(verdict),
        None => verdict.wrong(Problem::NoHead),
        Some(_) => {}
    }
    let mut walk = Walk { next: None, at_head: None, head: head.as_ref(), verdict };
    for (at, seq) in files.iter().enumerate() {
        let bytes = directory.bytes(&name_of(*seq), FILE_BYTES)?.unwrap_or_default();
        walk.file(&name_of(*seq), &bytes, at + 1 == files.len());
    }
    Ok(walk.end())
}

/// A walk over all records.
struct Walk<'a> {
    /// Number of the next record, and the hash that it follows.
    next: Option<(u64, Hash)>,
    /// The hash of the record that the head names.
    at_head: Option<Hash>,
    head: Option<&'a Head>,
    verdict: Verdict,
}

impl Walk<'_> {
    fn file(&mut self, name: &str, bytes: &[u8], is_last: bool) {
        for (number, text) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            let place = || format!("{name}:{number}");
            let whole = text.strip_suffix(b"\n");
            match whole.and_then(Line::read) {
                Some(line) => self.line(&line, place),
                // It is being written, or was when the machine stopped; the head says whether it should be here.
                None if whole.is_none() && is_last => {}
                None => self.verdict.wrong(Problem::NoRecord { place: place() }),
            }
        }
    }

    fn line(&mut self, line: &Line<'_>, place: impl Fn() -> String) {
        let found = line.record.seq;
        let begin = self.head.map(|head| (head.first, head.before_first));
        let (wanted, prev) = self.next.or(begin).or(line.record.prev.map(|prev| (found, prev))).unwrap_or_default();
        let follows = line.follows(&prev);
        if found != wanted {
            self.verdict.wrong(Problem::Gap { place: place(), wanted, found });
        } else if !follows {
            self.verdict.wrong(Problem::Changed { place: place(), seq: found });
        } else {
            self.verdict.records += 1;
            let oldest = self.verdict.span.map_or(found, |(oldest, _)| oldest);
            self.verdict.span = Some((oldest, found));
        }
        if self.head.is_some_and(|head| head.seq == found) {
            self.at_head = Some(line.hash);
        }
        // Goes on from what stands there, so that each problem is named once.
        self.next = Some((found.saturating_add(1), line.hash));
    }

    fn end(mut self) -> Verdict {
        if let Some(head) = self.head {
            let found = self.next.map_or(0, |(next, _)| next - 1);
            match self.at_head {
                Some(hash) if hash == head.hash => {}
                Some(_) => self.verdict.wrong(Problem::OtherEnd { seq: head.seq }),
                None => self.verdict.wrong(Problem::CutOff { found, wanted: head.seq }),
            }
        }
        self.verdict
    }
}
