//! Fuzzing of every decoder of outside bytes.
//!
//! A target is a function from bytes to nothing that panics where something is wrong: not where the bytes are, but where
//! the decoder is. [`TARGETS`] lists them; to add one, write it in `targets/`, name it there, and put a few inputs that it
//! takes into `corpus/NAME/`. `cargo xtask fuzz` runs each for some seconds over inputs mutated from its corpus, with
//! a seed, on stable Rust; the corpus itself runs as an ordinary test. A coverage-guided fuzzer can call the same functions.

mod mutate;
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use mutate::Mutator;
pub use targets::TARGETS;

/// Feeds a decoder.
pub type Target = fn(&[u8]);

/// The folder of a target's inputs.
pub fn corpus_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// A target's inputs, by name, in the same order everywhere.
pub fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(corpus_folder(name)).into_iter().flatten().flatten();
    let mut inputs: Vec<_> =
        files.filter_map(|file| Some((file.file_name().into_string().ok()?, fs::read(file.path()).ok()?))).collect();
    inputs.sort();
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_takes_its_corpus() {
        for (name, target) in TARGETS {
            let inputs = corpus(name);
            assert!(!inputs.is_empty(), "{name} has no corpus");
            for (file, input) in inputs {
                println!("{name} {file}");
                target(&input);
            }
        }
    }

    #[test]
    fn every_corpus_has_a_target() {
        for folder in fs::read_dir(corpus_folder("")).unwrap().flatten() {
            let name = folder.file_name().into_string().unwrap();
            assert!(TARGETS.iter().any(|(target, _)| *target == name), "corpus/{name} belongs to no target");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed, vec![b"{\"a\":1}".to_vec(), b"data: x\n\n".to_vec()]);
            (0..100).map(|_| mutator.next_input().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        assert!(inputs(1).iter().all(|input| input.len() <= mutate::INPUT_BYTES));
    }
}
