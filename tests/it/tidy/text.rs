//! What may not stand in a file.

use std::path::Path;

use super::File;

/// The one file with an `unsafe` block, and its reason beside it.
const UNSAFE: &str = "crates/exoclaw-sandbox/src/cache.rs";

/// Trailing blanks, tabs in Rust, a missing or doubled last newline.
pub(super) fn unclean(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    // Recorded text is kept as it came.
    if ["/fixtures/", "/snapshots/", "/corpus/"].iter().any(|folder| file.path.contains(folder) && !file.is_rust()) {
        return complaints;
    }
    for (number, line) in (1..).zip(file.text.split('\n')) {
        if line.ends_with([' ', '\t', '\r']) {
            complaints.push(format!("{}:{number}: ends with a blank", file.path));
        }
        if file.is_rust() && line.contains('\t') {
            complaints.push(format!("{}:{number}: has a tab", file.path));
        }
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        complaints.push(format!("{}: wants one newline at its end", file.path));
    }
    complaints
}

/// Hosts of registries and paths of one machine; they come from configuration, never from the project.
pub(super) fn places(file: &File, root: &Path) -> Vec<String> {
    // Written so that this file does not name them itself.
    let hosts = ["index", "static"].map(|host| format!("{host}.crates.io"));
    let folders = [[".cargo", "registry"], [".rustup", "toolchains"], ["", "work"]].map(|parts| parts.join("/") + "/");
    let checkout = root.display().to_string();
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let mut places = hosts.iter().chain(&folders).chain([&checkout]);
        let named = places.find(|place| line.match_indices(place.as_str()).any(|(at, _)| begins(line, at)));
        complaints.extend(named.map(|place| format!("{}:{number}: names {place}", file.path)));
    }
    complaints
}

/// Whether what stands at `at` is the beginning of a path if it starts with a slash.
fn begins(line: &str, at: usize) -> bool {
    let before = line[..at].chars().next_back();
    !line[at..].starts_with('/') || before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '~' | '_' | '-'))
}

pub(super) fn unsafe_code(file: &File) -> Vec<String> {
    if !file.is_rust() || file.path == UNSAFE {
        return Vec::new();
    }
    // The word as code has it: `unsafe {`, `unsafe fn`, `unsafe impl`; not `unsafe_code`, not in a comment or policy.
    let word = ["uns", "afe"].concat();
    let opens = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        ["{", "fn ", "impl ", "extern ", "trait "].iter().any(|next| code.contains(&format!("{word} {next}")))
    };
    let lines = (1..).zip(file.text.lines()).filter(|(_, line)| opens(line));
    lines.map(|(number, _)| format!("{}:{number}: {word} belongs into {UNSAFE} alone", file.path)).collect()
}

#[test]
fn each_rule_complains() {
    assert_eq!(unclean(&File::new("a.md", "a\nb\n")), [""; 0]);
    for text in ["a \nb\n", "a\r\n", "a", "a\n\n", "\tfn\n"] {
        assert_eq!(unclean(&File::new("a.rs", text)).len(), 1, "{text:?}");
    }

    let root = Path::new("/somewhere/exoclaw");
    assert_eq!(places(&File::new("a.md", "see crates.io and ~/.cargo and ./work/a\n"), root), [""; 0]);
    for text in ["https://index.CRATES.io/x", "/x/.CARGO/registry/src", "in /WORK/x", "/somewhere/exoclaw/target"] {
        let text = text.replace("CRATES", "crates").replace("CARGO", "cargo").replace("WORK", "work");
        assert_eq!(places(&File::new("a.md", &text), root).len(), 1, "{text}");
    }

    let word = ["uns", "afe"].concat();
    let open = format!("fn a() {{\n    {word} {{ b() }}\n}}\n");
    assert_eq!(unsafe_code(&File::new("crates/a/src/b.rs", &open)).len(), 1);
    assert_eq!(unsafe_code(&File::new(UNSAFE, &open)), [""; 0]);
    let words = format!("// {word} {{ is not code }}\n#![forbid({word}_code)]\nlet policy = \"{word}-inline\";\n");
    assert_eq!(unsafe_code(&File::new("crates/a/src/b.rs", &words)), [""; 0]);
}
