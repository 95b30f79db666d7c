//! Plugins in each language: new projects and the examples, built and tried with the tools that people use.
//!
//! Those of JavaScript and Python bring hundreds of megabytes: `cargo xtask languages` runs this, other runs leave it out.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use exoclaw_tests::daemon::exoclawd;
use serde_json::{Value, json};

use crate::recipe::{self, ok};

/// Set where the tools are to be used.
const WANTED: &str = "EXOCLAW_LANGUAGES";

fn wanted() -> bool {
    recipe::wanted(WANTED, "languages").is_some()
}

/// A project made, built and tested as its README says.
fn project(lang: &str, test: &[&str]) {
    if !wanted() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    ok(exoclawd(home.path()).current_dir(home.path()).args(["plugin", "new", "hello-you", "--lang", lang]));
    let folder = home.path().join("hello-you");
    ok(exoclawd(home.path()).current_dir(&folder).args(["plugin", "build"]));
    let daemon = exoclawd(home.path());
    let mut own = Command::new(test[0]);
    own.args(&test[1..]).current_dir(&folder).env("EXOCLAWD", daemon.get_program()).env("EXOCLAW_HOME", home.path());
    ok(&mut own);
    // Its test can fail: with another greeting it does.
    fs::copy(exoclaw_tests::plugins::example("echo"), folder.join("hello-you.wasm")).unwrap();
    assert!(!own.output().unwrap().status.success());
}

#[test]
fn a_new_project_in_rust_passes_its_test() {
    project("rust", &["cargo", "test"]);
}

#[test]
fn a_new_project_in_javascript_passes_its_test() {
    project("js", &["npm", "test"]);
}

#[test]
fn a_new_project_in_python_passes_its_test() {
    project("python", &["python3", "-m", "unittest"]);
}

/// An example, built where it lies, and packed with a manifest of its own.
fn example(name: &str, home: &Path, manifest: impl Fn(String) -> String) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins-examples").join(name);
    let packed = home.join(format!("{name}.wasm"));
    ok(exoclawd(home).args(["plugin", "build"]).arg(&folder).arg("--out").arg(&packed));
    let text = fs::read_to_string(folder.join("plugin.toml")).unwrap();
    fs::write(home.join("plugin.toml"), manifest(text)).unwrap();
    let mut pack = exoclawd(home);
    pack.args(["plugin", "pack"]).arg(home).arg("--component").arg(folder.join("component.wasm"));
    ok(pack.arg("--out").arg(&packed));
    packed
}

/// One call of a plugin of the config, as JSON.
fn call(home: &Path, plugin: &str, tool: &str, arguments: &Value) -> Value {
    let output = exoclawd(home).args(["plugin", "call", "--json", plugin, tool, &arguments.to_string()]).output();
    serde_json::from_slice(&output.unwrap().stdout).unwrap()
}

/// A server with one page. Gives its port.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let read = stream.read(&mut [0; 8192]).unwrap_or(0);
            let page = "<html><title>A page</title><h1>First <i>things</i></h1><h2>Then</h2></html>";
            assert!(read > 0);
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len()).ok();
        }
    });
    port
}

#[test]
fn the_example_in_javascript_fetches_what_was_granted() {
    if !wanted() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let port = server();
    let here = format!("http://127.0.0.1:{port}");
    let packed = example("page-info", home.path(), |manifest| manifest.replace("https://example.com", &here));
    let config = format!(
        "[[plugins]]\nname = \"page-info\"\npath = {packed:?}\n[plugins.grants]\nhttp = [\"GET {here}/page\"]\nhttp-private = [\"127.0.0.1:{port}\"]\n"
    );
    fs::write(home.path().join("config.toml"), config).unwrap();
    let read = |path: &str| call(home.path(), "page-info", "page_info", &json!({ "url": format!("{here}{path}") }));

    let want = json!({ "title": "A page", "description": null, "headings": ["First things", "Then"] });
    let called = read("/page");
    assert_eq!(called["output"]["content"][0]["value"], want, "{called}");
    let called = read("/other");
    assert_eq!((&called["output"]["isError"], &called["output"]["failure"]), (&json!(true), &json!("unavailable")));
}

#[test]
fn the_example_in_python_reads_what_was_granted() {
    if !wanted() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let texts = home.path().join("texts");
    fs::create_dir_all(texts.join("deeper")).unwrap();
    fs::write(texts.join("a.txt"), "milk\nBread and milk\n").unwrap();
    fs::write(texts.join("deeper/b.txt"), "nothing\nMILK").unwrap();
    fs::write(home.path().join("outside.txt"), "milk").unwrap();
    let packed = example("find-text", home.path(), |manifest| manifest);
    let packed = packed.to_str().unwrap();
    let find = || call(home.path(), "find-text", "find_text", &json!({ "text": "milk" }));

    ok(exoclawd(home.path()).args(["plugin", "add", "--yes", packed]));
    let called = find();
    assert_eq!((&called["output"]["isError"], &called["output"]["failure"]), (&json!(true), &json!("denied")));
    let dir = format!("/texts={}", texts.display());
    ok(exoclawd(home.path()).args(["plugin", "add", "--yes", "--dir", &dir, packed]));
    let found = "a.txt:1: milk\na.txt:2: Bread and milk\ndeeper/b.txt:2: MILK";
    let called = find();
    assert_eq!(called["output"]["content"][0]["text"], found, "{called}");
}
