//! Anthropic's Messages API, and servers that speak it.

use std::sync::Arc;

use futures::stream::BoxStream;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::{ConfigError, ModelEvent, ModelRequest, Provider, ProviderConfig, ProviderError, http::Endpoint};

mod answer;
mod request;

/// The version of the API that is spoken ("API versioning").
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Speaks `POST {base}/v1/messages`, streamed.
#[derive(Debug, Clone)]
pub struct AnthropicProvider {
    endpoint: Endpoint,
}

impl AnthropicProvider {
    /// The vendor's own address.
    pub const BASE_URL: &str = "https://api.anthropic.com";

    /// A provider at `config.base_url`, written with or without `/v1`.
    ///
    /// # Errors
    /// When the address or the key is none, or TLS can't be set up.
    pub fn new(config: &ProviderConfig) -> Result<Self, ConfigError> {
        let has_version = config.base_url.trim_end_matches('/').ends_with("/v1");
        let url = config.url(if has_version { "messages" } else { "v1/messages" })?;
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-version", VERSION);
        if let Some(key) = config.credential("")? {
            headers.insert("x-api-key", key);
        }
        Ok(Self { endpoint: Endpoint::new(config, url, headers)? })
    }

    /// The body that a request is sent as, for logs of one's own and tests.
    pub fn body(request: &ModelRequest) -> Value {
        request::body(request)
    }
}

impl Provider for AnthropicProvider {
    fn stream(&self, request: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        self.endpoint.stream(request::body(&request), answer())
    }
}

/// An answer of which nothing came yet.
pub(crate) fn answer() -> impl crate::http::Decode {
    answer::Answer::default()
}
