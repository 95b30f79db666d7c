//! Model servers of this machine that answer at their usual port.

use std::time::Duration;

use serde::Deserialize;

/// They are on this machine: whoever takes longer is not there.
const PATIENCE: Duration = Duration::from_millis(800);

/// The longest list of models that is read.
const LIST_BYTES: usize = 1024 * 1024;

/// Where a server usually is.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    title: &'static str,
    pub(super) base_url: &'static str,
}

pub(super) const SERVERS: &[Server] = &[
    Server { name: "ollama", title: "Ollama", base_url: "http://127.0.0.1:11434/v1" },
    Server { name: "llama-cpp", title: "llama.cpp", base_url: "http://127.0.0.1:8080/v1" },
];

/// A server that answered.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) base_url: String,
    pub(super) models: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// Those that answer now.
pub(super) fn look() -> Vec<Found> {
    SERVERS.iter().filter_map(ask).collect()
}

/// Asks one for its models; whatever is no such list is not the server.
pub(super) fn ask(server: &Server) -> Option<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let list = runtime.block_on(async { tokio::time::timeout(PATIENCE, models(server.base_url)).await }).ok()??;
    let models = list.data.into_iter().map(|model| model.id).collect();
    Some(Found { name: server.name, title: server.title, base_url: server.base_url.to_owned(), models })
}

async fn models(base_url: &str) -> Option<List> {
    // The builder wants a TLS provider even for plain http; one that is there already will do.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().ok()?;
    let mut response = client.get(format!("{base_url}/models")).send().await.ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LIST_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}
