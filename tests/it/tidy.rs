//! Rules of the house that no compiler knows, held over every file of the project.
//!
//! Each rule is a function from what it reads to its complaints, and has beside it a test that it complains.

mod edges;
mod files;
mod text;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project's folder is there")
}

/// A file that belongs to the project.
struct File {
    /// From the project's folder, with `/`.
    path: String,
    text: String,
}

impl File {
    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Every text file that is committed or would be.
fn files() -> Vec<File> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().expect("git runs");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).expect("paths are in Unicode");
    let read = |path: &str| Some(File::new(path, &std::fs::read_to_string(root().join(path)).ok()?));
    let files: Vec<File> = paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect();
    assert!(files.iter().any(|file| file.path == "Cargo.toml"), "git names no files of the project");
    files
}

#[track_caller]
fn hold(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn crates_depend_only_on_what_is_drawn() {
    hold(edges::forbidden(&edges::manifests(&files())));
}

#[test]
fn heavy_dependencies_have_one_owner() {
    hold(edges::not_owned(&edges::manifests(&files())));
}

#[test]
fn manifests_take_versions_and_lints_from_the_workspace() {
    hold(edges::on_their_own(&edges::manifests(&files())));
}

#[test]
fn the_lock_file_names_one_registry() {
    hold(files().iter().filter(|file| file.name() == "Cargo.lock").flat_map(edges::other_sources).collect());
}

#[test]
fn files_are_short() {
    hold(files().iter().filter_map(files::too_long).collect());
}

#[test]
fn modules_are_not_named_mod() {
    hold(files().iter().filter_map(files::named_mod).collect());
}

#[test]
fn every_test_module_is_wired() {
    hold(files::not_wired(&files()));
}

#[test]
fn examples_are_short() {
    hold(files().iter().filter_map(files::long_example).collect());
}

#[test]
fn every_library_has_an_example() {
    hold(files::without_example(&files()));
}

#[test]
fn every_library_says_what_it_is_for() {
    hold(files().iter().filter_map(files::undocumented).collect());
}

#[test]
fn text_is_clean() {
    hold(files().iter().flat_map(text::unclean).collect());
}

#[test]
fn files_name_no_place_of_one_machine() {
    let root = root();
    hold(files().iter().flat_map(|file| text::places(file, &root)).collect());
}

#[test]
fn unsafe_stands_in_one_place() {
    hold(files().iter().flat_map(text::unsafe_code).collect());
}
