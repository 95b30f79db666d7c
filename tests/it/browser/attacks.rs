//! Markup and scripts in everything that others have a say in.

use exoclaw_protocol::{SessionListParams, SessionPatchParams, SessionRef};
use exoclaw_tests::{
    browser::{Browser, Page},
    daemon::Setup,
    model::{Answer, ModelServer},
    plugins,
};
use serde_json::json;

use super::{IDLE, log_in, say};

/// What could run, each on its own: it counts itself.
const BODIES: &[&str] = &[
    "<script>hit()</script>",
    "<img src=x onerror=hit()>",
    "<svg onload=hit()>",
    "<svg><script>hit()</script></svg>",
    "<iframe srcdoc='<script>parent.hit()</script>'></iframe>",
    "<iframe src=javascript:parent.hit()></iframe>",
    "<details open ontoggle=hit()>x</details>",
    "<input autofocus onfocus=hit()>",
    "<video><source onerror=hit()></video>",
    "<audio src=x onerror=hit()>",
    "<object data=javascript:hit()></object>",
    "<embed src=javascript:hit()>",
    "<math><mtext></mtext><img src=x onerror=hit()></math>",
    "<a href=javascript:hit()>x</a>",
    "<form action=javascript:hit()><button>x</button></form>",
    "<style>@import 'javascript:hit()'</style>",
    "<div style=\"background:url(javascript:hit())\">x</div>",
    "<template><img src=x onerror=hit()></template>",
    "<meta http-equiv=refresh content='0;url=javascript:hit()'>",
    "<base href=javascript:hit()//>",
    "<link rel=stylesheet href=javascript:hit()>",
    "[x](javascript:hit())",
    "![x](javascript:hit())",
    "[x](data:text/html,<script>hit()</script>)",
    "<javascript:hit()>",
];

/// What lets them out of where they stand.
const WRAPPERS: &[(&str, &str)] = &[
    ("", ""),
    ("\">", ""),
    ("'>", ""),
    ("</p></div></code></pre>", ""),
    ("`", "`"),
    ("**", "**"),
    ("> - ", ""),
    ("| ", " |"),
    ("<!--", "-->"),
    ("]]>", ""),
    ("</textarea></title></style>", ""),
    ("{{", "}}"),
    ("${", "}"),
    ("\\", ""),
    ("&#60;x&#62; ", ""),
    ("### ", ""),
    ("1. ", ""),
    ("x=\"", "\""),
    ("<b>", "</b>"),
    ("~~", "~~"),
];

fn payloads() -> Vec<String> {
    let each =
        BODIES.iter().flat_map(|body| WRAPPERS.iter().map(move |(before, after)| format!("{before}{body}{after}")));
    each.collect()
}

/// Nothing ran, and nothing is there that could.
async fn assert_calm(page: &mut Page, whereabouts: &str) {
    assert_eq!(page.run("window.hits").await, 0, "{whereabouts}");
    let found = page
        .run(
            "[...document.body.querySelectorAll('*')].filter(e => \
             ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'STYLE', 'META', 'BASE', 'LINK', 'TEMPLATE', 'AUDIO', 'VIDEO'].includes(e.tagName) || \
             [...e.attributes].some(a => a.name.startsWith('on') || a.name === 'srcdoc' || a.name === 'style') || \
             (e.tagName === 'A' && !['http:', 'https:', 'mailto:'].includes(e.protocol)) || \
             (e.tagName === 'IMG' && !/^(data:image|http:\\/\\/127\\.0\\.0\\.1:\\d+\\/icon\\.svg$)/.test(e.src))).map(e => e.outerHTML)",
        )
        .await;
    assert_eq!(found, json!([]), "{whereabouts}");
    assert_eq!(page.complaints().await, Vec::<String>::new(), "{whereabouts}");
}

#[tokio::test]
async fn five_hundred_payloads_run_nothing() {
    let Some(mut page) = Browser::start().await else { return };
    let payloads = payloads();
    assert_eq!(payloads.len(), 500);
    let model = ModelServer::start().await;
    let daemon = Setup::with_model("openai", &model.openai_url())
        .tools(&["echo"])
        .plugin("echo", &plugins::example("echo"), "")
        .start();

    // Names of peers and of conversations: what other platforms send along.
    let client = daemon.client();
    for payload in &payloads {
        let name: SessionRef = payload.parse().unwrap();
        let params = SessionPatchParams { label: Some(Some(payload.clone())), ..SessionPatchParams::new(name) };
        client.request(params).await.unwrap();
    }
    assert_eq!(client.request(SessionListParams::default()).await.unwrap().sessions.len(), 500);
    log_in(&mut page, &daemon).await;
    page.run("window.hits = 0; window.hit = () => { window.hits += 1 }").await;
    page.wait_for("document.querySelectorAll('.sessions li').length === 500").await;
    assert_calm(&mut page, "names").await;

    // What people, models and tools say.
    let all = payloads.join("\n\n");
    model.answer(Answer::text([all.as_str()]).and_call("call-1", "echo", &json!({ "text": all })));
    model.answer(Answer::text(payloads.iter().map(|payload| format!("{payload}\n\n"))));
    say(&mut page, &all).await;
    page.wait_for("document.querySelectorAll('.tool.done').length === 1").await;
    page.wait_for(IDLE).await;
    page.run("document.querySelectorAll('.tool summary').forEach(s => s.click())").await;
    page.wait_for("document.querySelector('.tool .inside').innerText.includes('hit()')").await;
    assert_calm(&mut page, "messages").await;
    page.run("document.querySelectorAll('.turns a, .turns summary').forEach(e => e.dispatchEvent(new MouseEvent('mouseover')))").await;
    assert_calm(&mut page, "after a visit").await;

    // The watch watches: markup that got in would be seen, and stopped by the policy all the same.
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"hit()\">')").await;
    page.wait_for("document.body.lastElementChild.complete").await;
    assert_eq!(page.run("window.hits").await, 0);
    assert!(page.complaints().await.iter().any(|complaint| complaint.contains("Content Security Policy")));
}
