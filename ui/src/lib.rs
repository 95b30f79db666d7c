//! The browser chat of exoclaw.
