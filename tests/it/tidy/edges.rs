//! Who may depend on whom. `ARCHITECTURE.md` draws it.

use toml::{Table, Value};

use super::File;

/// What each package of the workspace may use of the others, when built; tests may use more.
const ALLOWED: &[(&str, &[&str])] = &[
    ("exoclaw-protocol", &[]),
    ("exoclaw-router", &["exoclaw-protocol"]),
    ("exoclaw-store", &["exoclaw-protocol"]),
    ("exoclaw-bus", &["exoclaw-protocol"]),
    ("exoclaw-plugin-format", &["exoclaw-protocol"]),
    ("exoclaw-sandbox", &["exoclaw-protocol", "exoclaw-plugin-format"]),
    ("exoclaw-agent", &["exoclaw-protocol"]),
    (
        "exoclaw-runtime",
        &["exoclaw-protocol", "exoclaw-router", "exoclaw-store", "exoclaw-bus", "exoclaw-agent", "exoclaw-sandbox"],
    ),
    ("exoclaw-gateway", &["exoclaw-protocol", "exoclaw-runtime", "exoclaw-store"]),
    ("exoclaw-client", &["exoclaw-protocol"]),
    (
        "exoclawd",
        &[
            "exoclaw-protocol",
            "exoclaw-router",
            "exoclaw-store",
            "exoclaw-bus",
            "exoclaw-plugin-format",
            "exoclaw-sandbox",
            "exoclaw-agent",
            "exoclaw-runtime",
            "exoclaw-gateway",
            "exoclaw-client",
            "exoclaw-ui-assets",
        ],
    ),
    ("exoclaw-ui", &["exoclaw-protocol", "exoclaw-client"]),
    ("exoclaw-ui-assets", &[]),
    ("exoclaw-tests", &["exoclaw-protocol", "exoclaw-client"]),
    (
        "exoclaw-fuzz",
        &[
            "exoclaw-protocol",
            "exoclaw-agent",
            "exoclaw-plugin-format",
            "exoclaw-sandbox",
            "exoclaw-store",
            // The loader of its config.
            "exoclawd",
        ],
    ),
    ("xtask", &[]),
];

/// Dependencies that only their owners may have, when built.
const OWNED: &[(&str, &[&str])] = &[
    ("async-nats", &["exoclaw-bus"]),
    ("clap", &["exoclawd"]),
    ("crossterm", &["exoclawd"]),
    ("figment", &["exoclawd"]),
    ("hyper", &["exoclaw-gateway", "exoclaw-sandbox", "exoclaw-tests"]),
    ("jsonrpsee-types", &["exoclaw-protocol"]),
    ("leptos", &["exoclaw-ui"]),
    ("ratatui", &["exoclawd"]),
    // The daemon asks a provider whether a key is good, before there is an agent.
    ("reqwest", &["exoclaw-agent", "exoclawd"]),
    ("rusqlite", &["exoclaw-store"]),
    ("saphyr-parser", &["exoclaw-plugin-format"]),
    ("tokio-rustls", &["exoclaw-gateway", "exoclaw-sandbox", "exoclaw-client"]),
    ("tokio-tungstenite", &["exoclaw-gateway", "exoclaw-client", "exoclaw-tests"]),
    ("wasm-bindgen-cli-support", &["exoclaw-ui-assets"]),
    ("wasm-encoder", &["exoclaw-plugin-format"]),
    ("wasmparser", &["exoclaw-plugin-format"]),
    ("wasmtime", &["exoclaw-sandbox"]),
    ("wasmtime-wasi", &["exoclaw-sandbox"]),
    ("wasmtime-wasi-http", &["exoclaw-sandbox"]),
];

/// Turns `unsafe_code = "forbid"` into its own rule, for the one block that loading compiled components needs.
const OWN_LINTS: &[&str] = &["exoclaw-sandbox"];

/// A package of the workspace.
pub(super) struct Manifest {
    name: String,
    table: Table,
}

/// The packages of the workspace. Plugins are a workspace of their own.
pub(super) fn manifests(files: &[File]) -> Vec<Manifest> {
    let own = |file: &&File| file.path.ends_with("/Cargo.toml") && !file.path.starts_with("plugins-examples/");
    let manifests: Vec<Manifest> = files.iter().filter(own).map(|file| manifest(&file.text)).collect();
    assert!(manifests.len() >= ALLOWED.len(), "packages are missing: {}", manifests.len());
    manifests
}

fn manifest(text: &str) -> Manifest {
    let table: Table = text.parse().expect("a manifest is TOML");
    let name = table["package"]["name"].as_str().expect("a package has a name").to_owned();
    Manifest { name, table }
}

/// Tables of dependencies: of the package itself and of its targets.
fn tables<'a>(manifest: &'a Manifest, kinds: &'a [&str]) -> impl Iterator<Item = &'a Table> {
    let targets = manifest.table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let places = std::iter::once(&manifest.table).chain(targets.filter_map(Value::as_table));
    places.flat_map(move |place| kinds.iter().filter_map(|kind| place.get(*kind).and_then(Value::as_table)))
}

/// Names of what a package is built with.
fn built_with(manifest: &Manifest) -> impl Iterator<Item = &str> {
    tables(manifest, &["dependencies", "build-dependencies"]).flat_map(Table::keys).map(String::as_str)
}

pub(super) fn forbidden(manifests: &[Manifest]) -> Vec<String> {
    let is_ours = |name: &str| ALLOWED.iter().any(|(ours, _)| *ours == name) || name.starts_with("exoclaw");
    let mut complaints = Vec::new();
    for manifest in manifests {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == manifest.name) else {
            complaints
                .push(format!("{}: a new package: say in ARCHITECTURE.md and here whom it may use", manifest.name));
            continue;
        };
        let wrong = built_with(manifest).filter(|dep| is_ours(dep) && !allowed.contains(dep));
        complaints.extend(wrong.map(|dep| format!("{} must not depend on {dep}", manifest.name)));
    }
    complaints
}

pub(super) fn not_owned(manifests: &[Manifest]) -> Vec<String> {
    let mut complaints = Vec::new();
    for manifest in manifests {
        for dep in built_with(manifest) {
            let owners = OWNED.iter().find(|(owned, _)| *owned == dep).map(|(_, owners)| *owners);
            if let Some(owners) = owners.filter(|owners| !owners.contains(&manifest.name.as_str())) {
                complaints.push(format!("{}: {dep} belongs to {}", manifest.name, owners.join(", ")));
            }
        }
    }
    complaints
}

/// Versions and features are chosen once, in the workspace, and so are lints.
pub(super) fn on_their_own(manifests: &[Manifest]) -> Vec<String> {
    let from_workspace = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    let mut complaints = Vec::new();
    for manifest in manifests {
        let name = &manifest.name;
        let deps = tables(manifest, &["dependencies", "build-dependencies", "dev-dependencies"]).flatten();
        // A package may name itself, for a feature of its own that only its tests turn on.
        let own = deps.filter(|(dep, value)| !from_workspace(value) && *dep != name);
        complaints.extend(own.map(|(dep, _)| format!("{name}: {dep} wants `workspace = true`")));
        if !manifest.table.get("lints").is_some_and(from_workspace) && !OWN_LINTS.contains(&name.as_str()) {
            complaints.push(format!("{name}: [lints] wants `workspace = true`"));
        }
    }
    complaints
}

/// A lock file written with a mirror in place would send everyone there.
pub(super) fn other_sources(lock: &File) -> Vec<String> {
    let sources = lock.text.lines().filter(|line| line.starts_with("source = "));
    let other = sources.filter(|line| *line != "source = \"registry+https://github.com/rust-lang/crates.io-index\"");
    other.map(|line| format!("{}: {line}", lock.path)).collect()
}

#[test]
fn each_rule_complains() {
    let sibling = manifest("package.name = 'exoclaw-store'\n[dependencies]\nexoclaw-router.workspace = true");
    assert_eq!(forbidden(&[sibling]), ["exoclaw-store must not depend on exoclaw-router"]);
    let build = manifest("package.name = 'xtask'\n[build-dependencies]\nexoclaw-protocol.workspace = true");
    assert_eq!(forbidden(&[build]), ["xtask must not depend on exoclaw-protocol"]);
    let target = manifest("package.name = 'exoclaw-ui'\n[target.x.dependencies]\nexoclaw-gateway.workspace = true");
    assert_eq!(forbidden(&[target]), ["exoclaw-ui must not depend on exoclaw-gateway"]);
    assert_eq!(forbidden(&[manifest("package.name = 'exoclaw-new'")]).len(), 1);
    let for_tests = manifest("package.name = 'exoclaw-agent'\n[dev-dependencies]\nexoclaw-tests.workspace = true");
    assert_eq!(forbidden(&[for_tests]), [""; 0]);

    let wasm = manifest("package.name = 'exoclaw-runtime'\n[dependencies]\nwasmtime.workspace = true");
    assert_eq!(not_owned(&[wasm]), ["exoclaw-runtime: wasmtime belongs to exoclaw-sandbox"]);

    let own = manifest("package.name = 'exoclaw-bus'\n[dev-dependencies]\nproptest = '1'");
    let complaints =
        ["exoclaw-bus: proptest wants `workspace = true`", "exoclaw-bus: [lints] wants `workspace = true`"];
    assert_eq!(on_their_own(&[own]), complaints);

    let mirror = File::new("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n");
    assert_eq!(other_sources(&mirror).len(), 1);
}
