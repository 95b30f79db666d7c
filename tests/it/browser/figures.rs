//! What the page costs: printed by a recipe, which also takes its pictures. None of it is a test of time.

use std::path::Path;

use exoclaw_tests::{
    browser::{Browser, Page},
    daemon::Setup,
    model::{Answer, ModelServer},
    plugins,
};
use serde_json::{Value, json};

use super::{IDLE, log_in, say};
use crate::recipe;

/// Where the recipe wants the pictures.
const PICTURES: &str = "EXOCLAW_PAGE_PICTURES";

/// Pieces of the answers that are measured.
const DELTAS: usize = 2_000;

/// Loads of each kind, of which the middle one counts.
const LOADS: usize = 11;

/// Watches frames until it is stopped: times between two of them, and tasks of more than 50 ms.
const WATCH: &str = "(() => { const frames = []; let last = performance.now(); let go = true; const long = []; \
    new PerformanceObserver(list => list.getEntries().forEach(e => long.push(e.duration))).observe({ type: 'longtask' }); \
    const step = now => { frames.push(now - last); last = now; if (go) requestAnimationFrame(step) }; \
    requestAnimationFrame(step); window.stopWatch = () => { go = false; return { frames, long } } })()";

/// What an answer is made of, a piece at a time.
fn pieces(kind: &str) -> Vec<String> {
    let mixed = "## Part\n\nSome *words* with `code` and a [link](https://exoclaw.example) in them.\n\n- one\n- two\n\n```rust\nfn main() { println!(\"hi\"); }\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n";
    let unit = match kind {
        "code" => "let value = compute(\"text\", 42); // and so on\n",
        "paragraph" => "some words that go on and on ",
        _ => mixed,
    };
    let opening = if kind == "code" { "```rust\n" } else { "" };
    let text: String = unit.chars().cycle().take(DELTAS * 17).collect();
    let chars: Vec<char> = opening.chars().chain(text.chars()).collect();
    chars.chunks(chars.len().div_ceil(DELTAS)).map(|piece| piece.iter().collect()).collect()
}

#[tokio::test]
async fn loading_and_streaming() {
    if recipe::wanted(PICTURES, "page").is_none() {
        return;
    }
    let Some(mut page) = Browser::start().await else { return };
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    log_in(&mut page, &daemon).await;
    let address = format!("http://{}/", daemon.address());

    // The browser's own clock: from the start of the navigation.
    let loaded = "performance.getEntriesByName('exoclaw:usable')[0]?.startTime ?? 0";
    let painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0";
    for (name, cached) in [("first load", false), ("reload", true)] {
        let (mut usable, mut first) = (Vec::new(), Vec::new());
        for _ in 0..LOADS {
            if !cached {
                page.forget_files().await;
            }
            page.open("about:blank").await;
            page.open(&address).await;
            page.wait_for(&format!("({loaded}) > 0 && ({painted}) > 0")).await;
            usable.push(page.run(loaded).await.as_f64().unwrap());
            first.push(page.run(painted).await.as_f64().unwrap());
        }
        println!("{name}: first contentful paint {:.0} ms, usable {:.0} ms", middle(first), middle(usable));
    }
    let bytes = "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).reduce((sum, e) => sum + e.encodedBodySize, 0)";
    page.forget_files().await;
    page.open("about:blank").await;
    page.open(&address).await;
    page.wait_for(&format!("({loaded}) > 0")).await;
    println!("first load: {:.0} KiB compressed", page.run(bytes).await.as_f64().unwrap() / 1024.0);

    for kind in ["mixed", "code", "paragraph"] {
        model.answer(Answer::text(pieces(kind)));
        page.press("Control+Shift+O").await;
        page.wait_for("document.querySelector('.thread .note .lead')").await;
        page.run(WATCH).await;
        say(&mut page, "Go on").await;
        page.wait_for("document.querySelector('.answer .turn-tools')").await;
        page.wait_for(IDLE).await;
        let seen = page.run("window.stopWatch()").await;
        let numbers = |name: &str| -> Vec<f64> { serde_json::from_value(seen[name].clone()).unwrap() };
        let (frames, long) = (numbers("frames"), numbers("long"));
        let worst = frames.iter().copied().fold(0.0, f64::max);
        println!(
            "{DELTAS} deltas, {kind}: {} frames, the longest {worst:.0} ms, {} tasks of more than 50 ms",
            frames.len(),
            long.len()
        );
    }
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[tokio::test]
async fn pictures_of_the_main_views() {
    let Some(folder) = recipe::wanted(PICTURES, "page") else { return };
    let Some(mut page) = Browser::start().await else { return };
    let notes = tempfile::tempdir().unwrap();
    let model = ModelServer::start().await;
    let grant =
        format!("fs = [{{ host = \"{}\", guest = \"/notes\", access = \"read-write\" }}]", notes.path().display());
    let daemon = Setup::with_model("anthropic", &model.anthropic_url())
        .tools(&["notes"])
        .plugin("notes", &plugins::example("notes"), &grant)
        .plugin("clock", &plugins::example("clock"), "")
        .and_config("[approvals]\nask = [\"notes.append\"]\n")
        .start();
    log_in(&mut page, &daemon).await;
    page.resize(1200, 800).await;
    conversation(&mut page, &model).await;
    for scheme in ["light", "dark"] {
        page.prefer(scheme).await;
        page.screenshot(&Path::new(&folder).join(format!("page-{scheme}.png"))).await;
    }
}

/// A conversation as people have them, which ends with a question.
async fn conversation(page: &mut Page, model: &ModelServer) {
    let append = |text: &str| -> Value { json!({ "text": text }) };
    model.answer(Answer::text(["Of course."]));
    say(page, "Help me plan a weekend in Rome").await;
    page.wait_for_text("Of course.").await;
    page.wait_for(IDLE).await;
    page.press("Control+Shift+O").await;
    page.wait_for("document.querySelector('.thread .note .lead')").await;
    model.answer(Answer::text(["Three hosts answer slower than last week:\n\n| Host | p99 | Change |\n|---|--:|--:|\n| api-1 | 182 ms | +12 % |\n| api-2 | 240 ms | +41 % |\n| worker-3 | 95 ms | +8 % |\n\nThe rise on `api-2` began with yesterday's release. This reads it from the logs:\n\n```python\nfor line in open(\"access.log\"):\n    host, took = line.split()[:2]\n    slow[host].append(float(took))  # in ms\n```"]));
    say(page, "Which hosts became slower?").await;
    page.wait_for("document.querySelector('.answer .code')").await;
    page.wait_for(IDLE).await;
    model.answer(Answer::text(["I'll keep that for the team."]).and_call(
        "call-1",
        "notes__append",
        &append("api-2: p99 up 41 % since the release of 21 November"),
    ));
    model.answer(Answer::text(["Kept."]));
    say(page, "Note that for the team").await;
    page.wait_for("document.querySelector('.approval')").await;
    page.wait_for("document.querySelectorAll('.sessions li').length === 2").await;
    page.run("document.activeElement.blur()").await;
}
