//! `wss://`, against a server with a certificate of its own.

use std::sync::Arc;

use exoclaw_client::{Client, CloseReason, Endpoint, Options, RequestError};
use exoclaw_protocol::PingParams;
use rcgen::CertifiedKey;
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use crate::server::Server;

/// A certificate in PEM, and who greets with it.
fn certified(name: &str) -> (String, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key.into()).unwrap();
    (cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Asks a server with a certificate for `name`, of which it is told `trusted`.
async fn ask(name: &str, trusted: impl FnOnce(String) -> Option<String>) -> Result<u64, RequestError> {
    let server = Server::start().await;
    let (pem, acceptor) = certified(name);
    let endpoint = Endpoint::new(format!("wss://localhost:{}/ws", server.addr().port()));
    let endpoint = match trusted(pem) {
        Some(pem) => endpoint.trusting(pem),
        None => endpoint,
    };
    let client = Client::connect(endpoint, Options::once());
    let serve = async {
        // Who does not trust the server hangs up.
        if let Ok(mut peer) = server.accept_by(&acceptor).await {
            peer.answer("ping", json!({ "nowMs": 0 })).await;
            peer.answer("ping", json!({ "nowMs": 7 })).await;
        }
    };
    let (answer, ()) = tokio::join!(client.request(PingParams {}), serve);
    answer.map(|answer| answer.now_ms)
}

#[track_caller]
fn refused(outcome: Result<u64, RequestError>, why: &str) {
    match outcome {
        Err(RequestError::Closed(CloseReason::Failed(reason))) => assert!(reason.contains(why), "{reason}"),
        other => panic!("got {other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_that_is_trusted_is_talked_to() {
    assert_eq!(ask("localhost", Some).await, Ok(7));
}

#[tokio::test]
async fn one_that_is_not_of_a_public_authority_is_not() {
    refused(ask("localhost", |_| None).await, "UnknownIssuer");
}

#[tokio::test]
async fn one_of_another_authority_is_not() {
    refused(ask("localhost", |_| Some(certified("localhost").0)).await, "certificate");
}

#[tokio::test]
async fn one_for_another_name_is_not() {
    refused(ask("other.local", Some).await, "not valid for name");
}

#[tokio::test]
async fn authorities_that_are_none_are_named() {
    let none = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    refused(ask("localhost", |_| Some(none.to_owned())).await, "certificate");
}
