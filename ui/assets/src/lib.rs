//! The browser chat, built with the workspace and held as compressed bytes.
//!
//! The build script compiles `ui/` for the browser, so that one `cargo build` makes the daemon with its page and nothing
//! built is committed. `EXOCLAW_UI_DIST=placeholder` leaves the page out where it is not needed; its place is then
//! taken by one that says how to build it. The crate knows nothing of HTTP servers: it says which bytes answer a path.
//!
//! ```
//! let file = exoclaw_ui_assets::find("/").expect("there is always a start page");
//! let answer = file.encoded("gzip, br");
//! assert_eq!(file.media_type, "text/html; charset=utf-8");
//! assert_eq!(answer.encoding, Some("br"));
//! ```

mod encoding;
mod file;

pub use file::{Encoded, FILES, File, find};
