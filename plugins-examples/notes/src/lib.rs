//! Keeps notes in one file of one granted directory, with nothing but `std::fs`.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
};

use exoclaw::plugin::types::{Content, Failure, FailureKind, Output};
use exports::exoclaw::plugin::tool::{Guest, Request};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "tool-plugin" });

const FILE: &str = "/notes/notes.md";

#[derive(serde::Deserialize)]
struct Append {
    text: String,
}

struct Notes;

impl Guest for Notes {
    fn call(request: Request) -> Result<Output, Failure> {
        let text = match request.tool.as_str() {
            "append" => append(&request.arguments)?,
            "read" => read()?,
            other => return Err(failure(FailureKind::InvalidArguments, format!("there is no tool {other}"))),
        };
        Ok(Output { content: vec![Content::Text(text)], is_error: false })
    }
}

fn append(arguments: &str) -> Result<String, Failure> {
    let Append { text } =
        serde_json::from_str(arguments).map_err(|error| failure(FailureKind::InvalidArguments, error.to_string()))?;
    let written = OpenOptions::new().append(true).create(true).open(FILE).and_then(|mut file| {
        // A note is one list item, however many lines it has, and written at once: other calls may write now, too.
        let item = format!("- {}\n", text.replace('\n', "\n  "));
        file.write_all(item.as_bytes())?;
        file.sync_all()
    });
    written.map_err(refused)?;
    Ok("noted".to_owned())
}

fn read() -> Result<String, Failure> {
    match fs::read_to_string(FILE) {
        Ok(notes) => Ok(notes),
        Err(error) if error.kind() == ErrorKind::NotFound && fs::metadata("/notes").is_ok() => {
            Ok("there are no notes yet".to_owned())
        }
        Err(error) => Err(refused(error)),
    }
}

/// Without its grant there is no such directory.
fn refused(error: io::Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => FailureKind::Denied,
        _ => FailureKind::Failed,
    };
    failure(kind, format!("use {FILE}: {error}"))
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure { kind, message, retryable: false }
}

export!(Notes);
