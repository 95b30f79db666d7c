//! What is logged on the thread of a test.

use std::{cell::RefCell, io, sync::Once};

thread_local! {
    static SAID: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Forgets what this thread logged so far. One subscriber serves the whole process: those of single threads miss events
/// that another thread met first.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Here).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    SAID.take();
}

/// What this thread logged since.
pub(crate) fn said() -> String {
    String::from_utf8(SAID.take()).unwrap()
}

struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SAID.with_borrow_mut(|said| said.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
