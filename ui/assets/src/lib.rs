//! The browser chat, built with the workspace and held as compressed bytes.
