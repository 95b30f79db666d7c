//! Reads and comments on issues of GitHub. The token never enters this code: the host puts it into the requests.

use exoclaw::plugin::types::{Content, Failure, FailureKind, Output};
use exports::exoclaw::plugin::tool::{Guest, Request};
use outgoing::{Error, Method};
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "tool-plugin" });

/// Bytes of an answer.
const ANSWER: usize = 1024 * 1024;

/// Where the API is, unless the variable `GITHUB_API` names a server of one's own.
const API: &str = "https://api.github.com";

#[derive(serde::Deserialize)]
struct List {
    repo: String,
}

#[derive(serde::Deserialize)]
struct Comment {
    repo: String,
    issue: u64,
    text: String,
}

struct Issues;

impl Guest for Issues {
    fn call(request: Request) -> Result<Output, Failure> {
        let text = match request.tool.as_str() {
            "list_issues" => list(&arguments(&request)?)?,
            "comment" => comment(&arguments(&request)?)?,
            other => return Err(failure(FailureKind::InvalidArguments, format!("there is no tool {other}"))),
        };
        Ok(Output { content: vec![Content::Text(text)], is_error: false })
    }
}

fn arguments<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Failure> {
    serde_json::from_str(&request.arguments).map_err(|error| failure(FailureKind::InvalidArguments, error.to_string()))
}

fn list(List { repo }: &List) -> Result<String, Failure> {
    let issues = ask(Method::Get, &format!("/repos/{repo}/issues?state=open&per_page=30"), &[])?;
    let line = |issue: &Value| Some(format!("#{} {}", issue["number"].as_u64()?, issue["title"].as_str()?));
    let lines: Vec<String> = issues.as_array().into_iter().flatten().filter_map(line).collect();
    Ok(if lines.is_empty() { format!("{repo} has no open issues") } else { lines.join("\n") })
}

fn comment(Comment { repo, issue, text }: &Comment) -> Result<String, Failure> {
    let body = json!({ "body": text }).to_string();
    let made = ask(Method::Post, &format!("/repos/{repo}/issues/{issue}/comments"), body.as_bytes())?;
    Ok(format!("commented: {}", made["html_url"].as_str().unwrap_or("it is there")))
}

fn ask(method: Method, path: &str, body: &[u8]) -> Result<Value, Failure> {
    let api = std::env::var("GITHUB_API").unwrap_or_else(|_| API.to_owned());
    let headers = [
        ("accept", "application/vnd.github+json"),
        ("content-type", "application/json"),
        ("user-agent", "exoclaw-github-issues"),
        ("x-github-api-version", "2022-11-28"),
    ];
    let response = outgoing::request(method, &format!("{api}{path}"), &headers, body, ANSWER);
    let response = response.map_err(|error| match error {
        Error::Address => failure(FailureKind::InvalidArguments, "that is no repository".to_owned()),
        Error::Denied => failure(FailureKind::Denied, "this repository may not be used".to_owned()),
        Error::Failed(why) => Failure { retryable: true, ..failure(FailureKind::Unavailable, why) },
    })?;
    let text = String::from_utf8_lossy(&response.body);
    match response.status {
        200..300 => serde_json::from_str(&text).map_err(|error| failure(FailureKind::Failed, error.to_string())),
        401 | 403 => Err(failure(FailureKind::Denied, format!("GitHub refused: {text}"))),
        status => Err(failure(FailureKind::Failed, format!("GitHub answered {status}: {text}"))),
    }
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure { kind, message, retryable: false }
}

export!(Issues);
