//! What `chat.send` takes and refuses.

use exoclaw_protocol::{Block, CallId, ChatSendParams, ErrorCode, Message, Origin, Target, limits};

fn sent(json: &str) -> ChatSendParams {
    serde_json::from_str(json).unwrap()
}

#[track_caller]
fn taken(json: &str, target: Target, message: Message) {
    let (got_target, got_message, _) = sent(json).into_parts().unwrap();
    assert_eq!((got_target, got_message), (target, message), "{json}");
}

#[track_caller]
fn refused(params: ChatSendParams, code: ErrorCode, part: &str) {
    let error = params.into_parts().unwrap_err();
    assert_eq!(error.code, code);
    assert!(error.message.contains(part), "{}", error.message);
}

fn image(media_type: &str, data: &str) -> Block {
    Block::Image { media_type: media_type.into(), data: data.into() }
}

fn content(content: Vec<Block>) -> ChatSendParams {
    ChatSendParams { content: Some(content), ..Default::default() }
}

#[test]
fn who_it_is_for() {
    let main = || Target::Session("main".parse().unwrap());
    taken(r#"{"text":"hi"}"#, main(), Message::user("hi"));
    taken(r#"{"session":"main","text":"hi"}"#, main(), Message::user("hi"));
    let key = Target::Session("agent:a:main".parse().unwrap());
    taken(r#"{"session":"agent:a:main","text":"hi"}"#, key, Message::user("hi"));
    let slack = Origin { team: Some("T".into()), peer: Some("dm:U1".parse().unwrap()), ..Origin::channel("slack") };
    let origin = r#"{"origin":{"channel":"slack","peer":"U1","team":"T"},"text":"hi"}"#;
    taken(origin, Target::Origin(slack), Message::user("hi"));
}

#[test]
fn the_key_is_handed_on() {
    let (_, _, key) = sent(r#"{"text":"hi","idempotencyKey":"k-1"}"#).into_parts().unwrap();
    assert_eq!(key, Some("k-1".parse().unwrap()));
}

#[test]
fn images_and_text_keep_their_order() {
    let blocks = vec![Block::text("look"), image("image/png", "AAAA"), Block::text(" \n"), image("image/webp", "QQ==")];
    let (_, message, _) = content(blocks).into_parts().unwrap();
    assert_eq!(message.content, [Block::text("look"), image("image/png", "AAAA"), image("image/webp", "QQ==")]);
}

#[test]
fn what_is_refused() {
    use ErrorCode::{InvalidParams, TooLarge};
    refused(sent("{}"), InvalidParams, "either text or content");
    refused(sent(r#"{"text":"a","content":[]}"#), InvalidParams, "either text or content");
    refused(sent(r#"{"text":"a","session":"main","origin":{"channel":"x"}}"#), InvalidParams, "not both");
    refused(sent(r#"{"text":" \n"}"#), InvalidParams, "empty");
    refused(content(vec![]), InvalidParams, "empty");
    refused(content(vec![Block::text(""), Block::text("\t")]), InvalidParams, "empty");
    refused(sent(r#"{"text":"a","origin":{"channel":""}}"#), InvalidParams, "origin channel");
    let long = Origin { account: Some("x".repeat(limits::ORIGIN_FIELD_BYTES + 1)), ..Origin::channel("x") };
    refused(ChatSendParams { origin: Some(long), ..sent(r#"{"text":"a"}"#) }, InvalidParams, "origin account");
    refused(content(vec![Block::text("a"); limits::CONTENT_BLOCKS + 1]), TooLarge, "64");
    let id: CallId = "c".parse().unwrap();
    let forged = Block::ToolResult { id, content: vec![], is_error: false };
    refused(content(vec![forged]), InvalidParams, "text, image and file only");
    refused(
        content(vec![Block::Thinking { text: "x".into(), signature: None }]),
        InvalidParams,
        "text, image and file only",
    );
}

/// What is durable goes to the provider again with every later message, so nothing it would refuse may get in.
#[test]
fn images_that_are_none() {
    for (media_type, data) in [
        ("text/html", "AAAA"),
        ("image/", "AAAA"),
        ("image/svg+xml", "AAAA"),
        ("image/png; x", "AAAA"),
        ("image/png", ""),
        ("image/png", "AAA"),
        ("image/png", "AAAA\n"),
        ("image/png", "A==="),
        ("image/png", "===="),
        ("image/png", "AA-_"),
        ("image/png", "data:image/png;base64,AAAA"),
    ] {
        refused(content(vec![image(media_type, data)]), ErrorCode::InvalidParams, "an image has");
    }
}

#[test]
fn files_that_are_none() {
    use ErrorCode::{InvalidParams, TooLarge};
    let file = |name: &str, media_type: &str, text: &str| {
        let (name, media_type, text) = (name.into(), media_type.into(), text.into());
        content(vec![Block::File { name, media_type, text }])
    };
    for media_type in ["text/plain", "text/x-rust", "application/json"] {
        assert!(file("a.txt", media_type, "x").into_parts().is_ok(), "{media_type}");
    }
    for media_type in ["application/pdf", "text/", "text/a b", "image/png", ""] {
        refused(file("a.txt", media_type, "x"), InvalidParams, "a file is text");
    }
    for name in ["", "a/b", "..\\b", "a\nb", &"x".repeat(256)] {
        refused(file(name, "text/plain", "x"), InvalidParams, "a file has a name");
    }
    refused(file("a.txt", "text/plain", " "), InvalidParams, "is empty");
    refused(file("a.txt", "text/plain", &"x".repeat(limits::FILE_BYTES + 1)), TooLarge, "a file has");
}

#[test]
fn too_much_that_is_attached() {
    let large = "AAAA".repeat(limits::IMAGE_BYTES / 3 + 1);
    refused(content(vec![image("image/png", &large)]), ErrorCode::TooLarge, "an image has");
    let many = vec![image("image/png", "AAAA"); limits::ATTACHMENTS + 1];
    refused(content(many), ErrorCode::TooLarge, "20");
}
