//! Messages between processes: the trait, the in-process default, the conformance suite.
