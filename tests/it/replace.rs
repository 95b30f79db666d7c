//! New files of plugins under a running daemon.

use std::{fs, path::Path, time::Duration};

use exoclaw_client::Client;
use exoclaw_protocol::{PluginInfo, PluginListParams};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    plugins,
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn listed(client: &Client) -> PluginInfo {
    client.request(PluginListParams {}).await.unwrap().plugins.remove(0)
}

/// What the daemon says of its plugin, once it is as wanted.
async fn until(client: &Client, wanted: impl Fn(&PluginInfo) -> bool) -> PluginInfo {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let info = listed(client).await;
        if wanted(&info) {
            return info;
        }
        assert!(tokio::time::Instant::now() < end, "{info:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// As package managers and `plugin add` write: whole or not at all.
fn put(bytes: &[u8], file: &Path) {
    let partial = file.with_extension("partial");
    fs::write(&partial, bytes).unwrap();
    fs::rename(partial, file).unwrap();
}

fn ran(daemon: &Daemon, args: &[&str]) -> String {
    let output = daemon.command(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A plugin, and the same one signed: another file.
fn versions(folder: &Path) -> [Vec<u8>; 2] {
    let (file, key) = (folder.join("signed.wasm"), folder.join("key.pem"));
    let paths = [&key, &file].map(|path| path.to_str().unwrap());
    let old = fs::read(plugins::example("echo")).unwrap();
    fs::write(&file, &old).unwrap();
    for args in [&["plugin", "keygen", paths[0]][..], &["plugin", "sign", "--key", paths[0], paths[1]]] {
        assert!(exoclaw_tests::daemon::exoclawd(folder).args(args).output().unwrap().status.success());
    }
    [old, fs::read(&file).unwrap()]
}

#[tokio::test]
async fn a_new_file_is_taken_up_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.wasm");
    let [old, new] = versions(folder.path());
    put(&old, &file);
    let setup = Setup::with_model("openai", "http://127.0.0.1:1").tools(&["echo"]);
    let daemon = setup.plugin("echo", &file, "").start();
    let client = daemon.client();
    let before = listed(&client).await;
    assert_eq!((&before.error, &before.refused_update), (&None, &None));

    put(&new, &file);
    let after = until(&client, |info| info.sha256 != before.sha256).await;
    assert_eq!((&after.version, &after.refused_update), (&before.version, &None));

    put(b"no component", &file);
    let refused = until(&client, |info| info.refused_update.is_some()).await;
    assert_eq!((&refused.sha256, &refused.error), (&after.sha256, &None));
    assert!(refused.refused_update.as_ref().unwrap().contains("no WebAssembly component"), "{refused:?}");
    let shown = ran(&daemon, &["plugin", "list"]);
    assert!(shown.contains("failed") && shown.contains("the daemon goes on with"), "{shown}");
    assert!(daemon.log().contains("the new file of the plugin is not used"), "{}", daemon.log());

    fs::remove_file(&file).unwrap();
    until(&client, |info| info.refused_update.as_ref().is_some_and(|why| why.contains("No such file"))).await;
    put(&old, &file);
    assert_eq!(until(&client, |info| info.refused_update.is_none()).await, before);
}

#[tokio::test]
async fn a_pinned_plugin_stays_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.wasm");
    let [old, new] = versions(folder.path());
    put(&old, &file);
    let shown =
        exoclaw_tests::daemon::exoclawd(folder.path()).args(["plugin", "inspect", "--json"]).arg(&file).output();
    let shown: serde_json::Value = serde_json::from_slice(&shown.unwrap().stdout).unwrap();
    let digest = shown["sha256"].as_str().unwrap().to_owned();
    let plugin = format!("[[plugins]]\nname = \"echo\"\npath = \"{}\"\nsha256 = \"{digest}\"\n", file.display());
    let setup = Setup::with_model("openai", "http://127.0.0.1:1").tools(&["echo"]).and_config(&plugin);
    let daemon = setup.start();
    let client = daemon.client();
    put(&new, &file);
    let refused = until(&client, |info| info.refused_update.is_some()).await;
    assert!(refused.refused_update.as_ref().unwrap().contains("pinned is"), "{refused:?}");
    assert_eq!(refused.sha256, Some(digest));
}
