use reqwest::header::{HeaderName, HeaderValue};

use super::*;
use ProviderErrorKind::*;

#[track_caller]
fn check(status: u16, body: &str, kind: ProviderErrorKind) {
    assert_eq!(Refusal::of_body(status, body.as_bytes()).kind(), kind, "{status} {body}");
}

#[test]
fn refusals_of_anthropic() {
    let body = |name: &str, message: &str| {
        format!(r#"{{"type":"error","error":{{"type":"{name}","message":"{message}"}},"request_id":"req_1"}}"#)
    };
    check(401, &body("authentication_error", "invalid x-api-key"), Auth);
    check(403, &body("permission_error", "Your API key does not have permission"), Auth);
    check(
        429,
        &body("rate_limit_error", "would exceed 30,000 input tokens per minute; prompt is too long"),
        RateLimited,
    );
    check(529, &body("overloaded_error", "Overloaded"), Overloaded);
    check(500, &body("api_error", "Internal server error"), Overloaded);
    check(400, &body("invalid_request_error", "prompt is too long: 200251 tokens > 200000 maximum"), ContextTooLong);
    check(400, &body("invalid_request_error", "input length and `max_tokens` exceed context limit: 1"), ContextTooLong);
    check(413, &body("request_too_large", "Request exceeds the maximum size"), ContextTooLong);
    check(400, &body("invalid_request_error", "messages: at least one message is required"), Refused);
    check(400, &body("billing_error", "Your credit balance is too low"), Refused);
    check(404, &body("not_found_error", "model: claude-x"), Refused);
}

#[test]
fn refusals_of_openai() {
    let body = |name: &str, code: &str, message: &str| {
        format!(r#"{{"error":{{"message":"{message}","type":"{name}","param":null,"code":{code}}}}}"#)
    };
    check(401, &body("invalid_request_error", "\"invalid_api_key\"", "Incorrect API key provided"), Auth);
    check(429, &body("requests", "\"rate_limit_exceeded\"", "Rate limit reached"), RateLimited);
    check(429, &body("insufficient_quota", "\"insufficient_quota\"", "You exceeded your current quota"), Refused);
    check(400, &body("invalid_request_error", "\"context_length_exceeded\"", "too long"), ContextTooLong);
    check(400, &body("invalid_request_error", "null", "Unsupported parameter"), Refused);
    check(503, &body("server_error", "null", "overloaded"), Overloaded);
}

#[test]
fn refusals_of_compatible_servers() {
    let sent = |name: &str| std::fs::read_to_string(format!("tests/fixtures/llama-server/{name}.sse")).unwrap();
    check(400, &sent("openai-too-long"), ContextTooLong);
    check(400, &sent("openai-bad-request"), Refused);
    check(503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#, Overloaded);
    check(404, r#"{"error":"model \"x\" not found, try pulling it first"}"#, Refused);
    check(
        400,
        r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}"#,
        ContextTooLong,
    );
    check(422, r#"{"detail":[{"msg":"field required"}]}"#, Refused);
    check(502, "<html>Bad Gateway</html>", Overloaded);
    check(307, "", Refused);
}

#[test]
fn errors_inside_a_stream_have_no_status() {
    let check = |json: &str, kind| {
        assert_eq!(Refusal::of_json(&serde_json::from_str(json).unwrap()).unwrap().kind(), kind, "{json}");
    };
    check(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Overloaded);
    check(r#"{"error":{"code":429,"message":"slow down"}}"#, RateLimited);
    check(r#"{"error":{"message":"something broke"}}"#, Overloaded);
    check(r#"{"error":{"type":"invalid_request_error","message":"no"}}"#, Refused);
    assert_eq!(Refusal::of_json(&serde_json::json!({ "choices": [], "error": null })), None);
}

#[test]
fn messages_are_quoted_on_one_line_and_cut() {
    let refusal = Refusal::of_body(500, format!("a\r\n\tb \x1b[31m{}", "x".repeat(9_000)).as_bytes());
    assert!(refusal.message.starts_with("a b [31mxxx"), "{}", refusal.message);
    assert_eq!(refusal.message.len(), QUOTE_CHARS);
}

#[test]
fn retry_after_in_all_its_forms() {
    let check = |headers: &[(&'static str, &'static str)], millis: Option<u64>| {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let map: HeaderMap = headers.iter().map(pair).collect();
        assert_eq!(retry_after(&map), millis.map(Duration::from_millis), "{headers:?}");
    };
    check(&[("retry-after", "7")], Some(7_000));
    check(&[("retry-after", "1.5")], Some(1_500));
    check(&[("retry-after-ms", "250"), ("retry-after", "1")], Some(250));
    let date = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");
    check(&[date, ("retry-after", "Sat, 21 Nov 2026 10:00:30 GMT")], Some(30_000));
    check(&[date, ("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT")], Some(0));
    check(&[("retry-after", "Sat, 21 Nov 2026 10:00:30 GMT")], None);
    check(&[("retry-after", "-1")], None);
    check(&[("retry-after", "1e300")], None);
    check(&[("retry-after", "soon")], None);
    check(&[], None);
}
