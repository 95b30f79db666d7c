use exoclaw_client::{CloseReason, Options, REQUESTS, RequestError};
use exoclaw_protocol::{ChatSendParams, ErrorCode, PingParams, StatusParams, limits};
use futures::{FutureExt, future::join_all};
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn answers_find_their_askers_in_any_order() {
    let server = Server::start().await;
    let client = server.client(Options::default());
    let serve = async {
        let mut peer = server.accept().await.unwrap();
        let (first, second) = (peer.receive().await, peer.receive().await);
        for (request, now) in [(second, 2), (first, 1)] {
            peer.send(json!({ "jsonrpc": "2.0", "id": request["id"], "result": { "nowMs": now } })).await;
        }
        peer
    };
    let (_peer, first, second) = tokio::join!(serve, client.request(PingParams {}), client.request(PingParams {}));
    assert_eq!((first.unwrap().now_ms, second.unwrap().now_ms), (1, 2));
}

#[tokio::test]
async fn a_refusal_keeps_its_code() {
    let server = Server::start().await;
    let client = server.client(Options::default());
    let serve = async {
        let mut peer = server.accept().await.unwrap();
        let request = peer.receive().await;
        let error = json!({ "code": -32007, "message": "too much", "data": { "retryAfterMs": 50 } });
        peer.send(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
        peer
    };
    let (_peer, outcome) = tokio::join!(serve, client.request(StatusParams {}));
    let Err(RequestError::Rpc(error)) = outcome else { panic!("got {outcome:?}") };
    assert_eq!((error.code, error.retry_after_ms), (ErrorCode::Busy, Some(50)));
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_an_error_of_this_request_only() {
    let server = Server::start().await;
    let client = server.client(Options::default());
    let serve = async {
        let mut peer = server.accept().await.unwrap();
        peer.answer("ping", json!({ "nowMs": "noon" })).await;
        peer.answer("ping", json!({ "nowMs": 3 })).await;
        peer
    };
    let ask = async {
        let bad = client.request(PingParams {}).await;
        assert!(matches!(bad, Err(RequestError::Json { .. })), "{bad:?}");
        assert_eq!(client.request(PingParams {}).await.unwrap().now_ms, 3);
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_here() {
    let server = Server::start().await;
    let client = server.client(Options::default());
    let params = ChatSendParams::text("main".parse().unwrap(), "x".repeat(limits::MESSAGE_BYTES));
    let outcome = client.request(params).await;
    assert!(matches!(outcome, Err(RequestError::TooLarge { bytes }) if bytes > limits::MESSAGE_BYTES), "{outcome:?}");
}

#[tokio::test]
async fn requests_under_way_are_bounded() {
    let server = Server::start().await;
    let client = server.client(Options::default());
    let mut waiting: Vec<_> = (0..REQUESTS).map(|_| Box::pin(client.request(PingParams {}))).collect();
    assert!(join_all(waiting.iter_mut()).now_or_never().is_none());
    assert_eq!(client.request(PingParams {}).await, Err(RequestError::Busy));
    client.close().await;
    for outcome in join_all(waiting).await {
        assert_eq!(outcome, Err(RequestError::Closed(CloseReason::Requested)));
    }
}
