//! OpenAI's Chat Completions API, and the many servers that speak it: Ollama, llama.cpp, vLLM and others.

use std::sync::Arc;

use futures::stream::BoxStream;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;

use crate::{ConfigError, ModelEvent, ModelRequest, Provider, ProviderConfig, ProviderError, http::Endpoint};

mod answer;
mod request;

/// Speaks `POST {base}/chat/completions`, streamed.
#[derive(Debug, Clone)]
pub struct OpenAiProvider {
    endpoint: Endpoint,
    dialect: request::Dialect,
}

impl OpenAiProvider {
    /// The vendor's own address.
    pub const BASE_URL: &str = "https://api.openai.com/v1";

    /// A provider at `config.base_url`, which ends in `/v1` on most servers.
    ///
    /// # Errors
    /// When the address or the key is none, or TLS can't be set up.
    pub fn new(config: &ProviderConfig) -> Result<Self, ConfigError> {
        let url = config.url("chat/completions")?;
        let dialect = request::Dialect::of_host(url.host_str().unwrap_or_default());
        let mut headers = HeaderMap::new();
        if let Some(key) = config.credential("Bearer ")? {
            headers.insert(AUTHORIZATION, key);
        }
        Ok(Self { endpoint: Endpoint::new(config, url, headers)?, dialect })
    }

    /// The body that a request is sent as, for logs of one's own and tests.
    pub fn body(&self, request: &ModelRequest) -> Value {
        request::body(request, self.dialect)
    }
}

impl Provider for OpenAiProvider {
    fn stream(&self, request: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        self.endpoint.stream(self.body(&request), answer())
    }
}

/// An answer of which nothing came yet.
pub(crate) fn answer() -> impl crate::http::Decode {
    answer::Answer::default()
}
