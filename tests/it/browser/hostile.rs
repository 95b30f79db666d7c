//! Pages that are not ours, in a browser that is logged in: they get nothing, and change nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use exoclaw_store::{SqliteConfig, SqliteStore, Store};
use exoclaw_tests::{
    browser::{Browser, Page, foreign_page},
    daemon::Setup,
};
use serde_json::json;

use super::{READY, log_in};

#[tokio::test]
async fn a_page_of_another_origin_gets_nothing() {
    let Some(mut page) = Browser::start().await else { return };
    let daemon = Setup::demo().start();
    log_in(&mut page, &daemon).await;

    // The same host on another port: the cookie goes along, and only the origin tells the pages apart.
    page.open(&foreign_page().await).await;
    page.wait_for("document.readyState === 'complete'").await;
    let address = daemon.address();
    let outcome = page
        .run(&format!(
            "new Promise(done => {{ const s = new WebSocket('ws://{address}/ws'); \
             s.onopen = () => done('open'); s.onerror = () => done('refused'); }})"
        ))
        .await;
    assert_eq!(outcome, "refused");
    let outcome = page.run(&format!("fetch('http://{address}/').then(() => 'read', () => 'refused')")).await;
    assert_eq!(outcome, "refused");

    // The same lines on the daemon's own page open it, so the test can tell.
    page.open(&format!("http://{address}/")).await;
    page.wait_for(READY).await;
    let outcome = page
        .run("new Promise(done => { const s = new WebSocket('/ws'); s.onopen = () => done('open'); s.onerror = () => done('refused'); })")
        .await;
    assert_eq!(outcome, "open");
}

/// What a page finds when it tries to open a socket.
async fn socket(page: &mut Page, url: &str) -> serde_json::Value {
    let script = "new Promise(done => { const s = new WebSocket(URL); \
                  s.onopen = () => done('open'); s.onerror = () => done('refused'); })";
    page.run(&script.replace("URL", &format!("'{url}'"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_hostile_page_tries_no_socket_opens_and_nothing_changes() {
    let Some(mut page) = Browser::start().await else { return };
    let mut daemon = Setup::demo().env("EXOCLAW_LOG", "info,exoclaw_gateway=debug").start();
    let (address, port) = (daemon.address(), daemon.address().port());
    log_in(&mut page, &daemon).await;
    page.open(&foreign_page().await).await;
    page.wait_for("document.readyState === 'complete'").await;

    for url in [
        format!("ws://{address}/ws"),
        format!("ws://{address}/ws?token=test-token-of-no-value-0123456789abcdef"),
        format!("ws://localhost:{port}/ws"),
        format!("ws://rebound.localhost:{port}/ws"),
        format!("ws://{address}/"),
    ] {
        assert_eq!(socket(&mut page, &url).await, "refused", "{url}");
    }
    for (path, how) in [
        ("/", "{}"),
        ("/", "{ credentials: 'include' }"),
        ("/login", "{ method: 'POST', body: '{}' }"),
        ("/login", "{ method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }"),
        ("/readyz", "{ headers: { authorization: 'Bearer x' } }"),
    ] {
        let outcome =
            page.run(&format!("fetch('http://{address}{path}', {how}).then(() => 'read', () => 'refused')")).await;
        assert_eq!(outcome, "refused", "{path} {how}");
    }
    // These answer a page that can't read the answer; what counts is what they change.
    let blind = format!(
        "new Promise(done => {{ const frame = document.createElement('iframe'); frame.name = 'f'; document.body.append(frame); \
         const form = document.createElement('form'); form.action = 'http://{address}/login'; form.method = 'POST'; \
         form.target = 'f'; form.enctype = 'text/plain'; const input = document.createElement('input'); \
         input.name = '{{\"code\":\"x'; input.value = '\"}}'; form.append(input); document.body.append(form); \
         frame.onload = () => {{ frame.onload = () => done('tried'); frame.src = 'http://{address}/'; }}; form.submit(); }})"
    );
    assert_eq!(page.run(&blind).await, "tried");

    // The page itself, under a name that somebody made point here.
    page.open(&format!("http://rebound.localhost:{port}/")).await;
    page.wait_for("document.readyState === 'complete'").await;
    assert_eq!(page.run("document.querySelector('script') === null").await, json!(true));
    assert_eq!(socket(&mut page, "/ws").await, "refused");

    // The page itself, told by its address to go elsewhere.
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = elsewhere.local_addr().unwrap();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    let mut counting = tokio::task::JoinSet::new();
    counting.spawn(async move {
        while elsewhere.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let asks = format!("gatewayUrl=ws://{to}/ws&gateway=ws://{to}/ws&url=ws://{to}/ws&token=stolen");
    page.open(&format!("http://{address}/?{asks}#{asks}")).await;
    page.wait_for(READY).await;
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    // The counter counts.
    drop(tokio::net::TcpStream::connect(to).await.unwrap());
    exoclaw_tests::wait::wait_for(std::time::Duration::from_secs(10), || {
        if visits.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err("no visit") }
    })
    .await;
    counting.abort_all();

    page.open("about:blank").await;
    let home = daemon.home().to_owned();
    tokio::task::block_in_place(|| daemon.terminate());
    let ended = daemon.log().matches("\"socket ended\"").count();
    assert_eq!(ended, 2, "the page's own, twice: {}", daemon.log());
    let store =
        tokio::task::block_in_place(|| SqliteStore::open(&SqliteConfig::new(home.join("demo/store.db")))).unwrap();
    assert_eq!(store.session_count().await.unwrap(), 0);
    store.close().await;
}
