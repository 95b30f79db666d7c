//! The last lines of the daemon's log, for clients that may do everything.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Lines that are kept; the oldest go first.
const LINES: usize = 5_000;

/// Bytes that are kept, in all; as above.
const BYTES: usize = 1024 * 1024;

/// Longest line; what is beyond is cut.
const LINE_BYTES: usize = 8 * 1024;

/// The last lines of a log, in memory. What goes in is what the log shows, which holds no secrets.
#[derive(Debug, Default)]
pub struct LogTail(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// Each with the place in the log after it.
    kept: VecDeque<(u64, String)>,
    bytes: usize,
    /// Bytes that the log has had, with an end for each line.
    end: u64,
}

/// A part of a log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) lines: Vec<String>,
    /// Where to go on.
    pub(crate) end: u64,
    /// Lines before these were left out.
    pub(crate) is_cut: bool,
}

impl LogTail {
    /// Keeps one line.
    pub fn push(&self, line: &str) {
        let line = &line[..line.floor_char_boundary(LINE_BYTES)];
        let mut log = self.lock();
        log.end += line.len() as u64 + 1;
        log.bytes += line.len();
        let end = log.end;
        log.kept.push_back((end, line.to_owned()));
        while log.kept.len() > LINES || log.bytes > BYTES {
            let Some((_, oldest)) = log.kept.pop_front() else { return };
            log.bytes -= oldest.len();
        }
    }

    /// The newest lines after a place, at most so many and so large. A place that the log has not come to is none.
    pub(crate) fn after(&self, place: u64, lines: usize, bytes: usize) -> Part {
        let log = self.lock();
        let (mut taken, mut left) = (Vec::new(), bytes);
        let mut newer = log.kept.iter().rev().take_while(|(end, _)| *end > place).peekable();
        while let Some((_, line)) = newer.next_if(|(_, line)| line.len() < left && taken.len() < lines) {
            left -= line.len() + 1;
            taken.push(line.clone());
        }
        let oldest = log.kept.front().map_or(log.end, |(end, line)| end - line.len() as u64 - 1);
        let is_cut = newer.next().is_some() || place < oldest;
        drop(newer);
        taken.reverse();
        Part { lines: taken, end: log.end, is_cut }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(lines: &[&str], end: u64, is_cut: bool) -> Part {
        Part { lines: lines.iter().map(|line| (*line).to_owned()).collect(), end, is_cut }
    }

    #[test]
    fn the_newest_lines_are_told_once() {
        let log = LogTail::default();
        assert_eq!(log.after(0, 10, 1_000), part(&[], 0, false));
        ["one", "two", "three"].into_iter().for_each(|line| log.push(line));
        assert_eq!(log.after(0, 10, 1_000), part(&["one", "two", "three"], 14, false));
        assert_eq!(log.after(8, 10, 1_000), part(&["three"], 14, false));
        assert_eq!(log.after(14, 10, 1_000), part(&[], 14, false));
        assert_eq!(log.after(0, 2, 1_000), part(&["two", "three"], 14, true));
        assert_eq!(log.after(0, 10, 9), part(&["three"], 14, true));
    }

    #[test]
    fn it_stays_small() {
        let log = LogTail::default();
        (0..3 * LINES).for_each(|n| log.push(&n.to_string()));
        let part = log.after(0, usize::MAX, usize::MAX);
        assert_eq!((part.lines.len(), part.is_cut), (LINES, true));
        assert_eq!(part.lines[0], (2 * LINES).to_string());
        (0..1_000).for_each(|_| log.push(&"ä".repeat(LINE_BYTES)));
        let part = log.after(0, usize::MAX, usize::MAX);
        assert_eq!(part.lines.len(), BYTES / LINE_BYTES);
        assert!(part.lines.iter().all(|line| line.len() == LINE_BYTES));
    }
}
