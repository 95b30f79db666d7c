//! Which files there are, and how they hang together.

use super::File;

const LINES: usize = 600;
const EXAMPLE_LINES: usize = 60;

pub(super) fn too_long(file: &File) -> Option<String> {
    let is_code = [".rs", ".css", ".js", ".mjs"].iter().any(|extension| file.path.ends_with(extension));
    let lines = file.text.lines().count();
    (is_code && lines > LINES).then(|| format!("{}: {lines} lines, at most {LINES}", file.path))
}

pub(super) fn named_mod(file: &File) -> Option<String> {
    (file.name() == "mod.rs").then(|| format!("{}: call it by its folder's name, beside the folder", file.path))
}

/// Tests in a module that nothing names never run.
pub(super) fn not_wired(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let is_test = folder.ends_with("tests/it") || folder.contains("tests/it/");
        if !is_test || name == "main.rs" {
            continue;
        }
        let parent = if folder.ends_with("tests/it") { format!("{folder}/main.rs") } else { format!("{folder}.rs") };
        let line = format!("mod {};", name.trim_end_matches(".rs"));
        let names_it =
            |parent: &File| parent.text.lines().any(|other| other.trim().trim_start_matches("pub(crate) ") == line);
        if !files.iter().any(|other| other.path == parent && names_it(other)) {
            complaints.push(format!("{}: {parent} wants `{line}`", file.path));
        }
    }
    complaints
}

/// Less than a screen or two.
pub(super) fn long_example(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let is_long = file.is_rust() && file.path.contains("/examples/") && lines >= EXAMPLE_LINES;
    is_long.then(|| format!("{}: {lines} lines, want fewer than {EXAMPLE_LINES}", file.path))
}

/// Each library shows how another service embeds it.
pub(super) fn without_example(files: &[File]) -> Vec<String> {
    let libraries = files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    let libraries = libraries.filter(|folder| folder.starts_with("crates/"));
    let shown = |folder: &str| files.iter().any(|file| file.path.starts_with(&format!("{folder}/examples/")));
    libraries.filter(|folder| !shown(folder)).map(|folder| format!("{folder}: has no example")).collect()
}

pub(super) fn undocumented(file: &File) -> Option<String> {
    let is_root = file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs");
    (is_root && !file.text.starts_with("//! ")).then(|| format!("{}: begins with a line `//! …`", file.path))
}

#[test]
fn each_rule_complains() {
    let lines = |count: usize| "x\n".repeat(count);
    assert!(too_long(&File::new("a.rs", &lines(LINES))).is_none());
    assert!(too_long(&File::new("a.rs", &lines(LINES + 1))).is_some());

    assert!(named_mod(&File::new("crates/a/src/b/mod.rs", "")).is_some());
    assert!(named_mod(&File::new("crates/a/src/b/amod.rs", "")).is_none());

    let wired = [
        File::new("c/tests/it/main.rs", "mod a;\n"),
        File::new("c/tests/it/a.rs", "mod b;\n"),
        File::new("c/tests/it/a/b.rs", ""),
        File::new("c/src/not/a_test.rs", ""),
    ];
    assert_eq!(not_wired(&wired), [""; 0]);
    let loose = [
        File::new("c/tests/it/main.rs", "// mod a;\nmod ab;\n"),
        File::new("c/tests/it/a.rs", ""),
        File::new("c/tests/it/a/b.rs", ""),
    ];
    assert_eq!(not_wired(&loose).len(), 2);

    assert!(long_example(&File::new("crates/a/examples/b.rs", &lines(EXAMPLE_LINES - 1))).is_none());
    assert!(long_example(&File::new("crates/a/examples/b.rs", &lines(EXAMPLE_LINES))).is_some());

    let package = || File::new("crates/a/Cargo.toml", "");
    assert_eq!(without_example(&[package(), File::new("crates/ab/examples/b.rs", "")]), ["crates/a: has no example"]);
    assert_eq!(without_example(&[package(), File::new("crates/a/examples/b.rs", "")]), [""; 0]);

    assert!(undocumented(&File::new("crates/a/src/lib.rs", "mod b;\n")).is_some());
    assert!(undocumented(&File::new("crates/a/src/lib.rs", "//! Does it.\n")).is_none());
}
