//! Tries what no plugin may do, with nothing but Rust's standard library, and says how far it got.
//!
//! It asks for nothing and is granted nothing: every attempt is to end in an error, or in the end of the call.

use std::{env, fs, io::Write, net::TcpStream};

use exoclaw::plugin::types::{Content, Failure, FailureKind, Output};
use exports::exoclaw::plugin::tool::{Guest, Request};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "tool-plugin" });

#[derive(serde::Deserialize)]
struct Arguments {
    what: What,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Read,
    Write,
    Environment,
    Connect,
    Spin,
    Allocate,
    Recurse,
    Shout,
    Panic,
}

struct Hostile;

impl Guest for Hostile {
    fn call(request: Request) -> Result<Output, Failure> {
        let arguments: Arguments = serde_json::from_str(&request.arguments).map_err(|error| Failure {
            kind: FailureKind::InvalidArguments,
            message: error.to_string(),
            retryable: false,
        })?;
        Ok(Output { content: vec![Content::Text(attempt(arguments.what))], is_error: false })
    }
}

/// How far it got.
fn attempt(what: What) -> String {
    match what {
        What::Read => told(fs::read_to_string("/etc/passwd").or_else(|_| fs::read_to_string("../../etc/passwd"))),
        What::Write => told(fs::write("/tmp/hostile", "was here").map(|()| "written".to_owned())),
        What::Environment => format!("found {} variables and {} arguments", env::vars().count(), env::args().count()),
        What::Connect => told(TcpStream::connect("127.0.0.1:22").map(|_| "connected".to_owned())),
        What::Spin => loop {
            std::hint::spin_loop();
        },
        What::Allocate => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        What::Recurse => recurse(0).to_string(),
        What::Shout => {
            let line = "x".repeat(64 * 1024);
            for _ in 0..10_000 {
                // Whether anyone listens makes no difference to it.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            "shouted".to_owned()
        }
        What::Panic => panic!("on purpose"),
    }
}

fn told(outcome: std::io::Result<String>) -> String {
    match outcome {
        Ok(got) => format!("got {got}"),
        Err(error) => format!("refused: {error}"),
    }
}

#[expect(unconditional_recursion, reason = "the stack has a limit, which this is for")]
fn recurse(depth: u64) -> u64 {
    let deeper = std::hint::black_box([depth; 64]);
    recurse(deeper[7] + 1) + deeper[3]
}

export!(Hostile);
