//! Runs code nobody trusts: WASM components under grants and limits.
