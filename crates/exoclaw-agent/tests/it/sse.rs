//! The decoder of server-sent events, with another one as the judge.

use eventsource_stream::Eventsource;
use exoclaw_agent::sse::{Decoder, EVENT_BYTES, Error, Event, LINE_BYTES};
use futures::{FutureExt, StreamExt, stream};
use proptest::prelude::*;

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<Event>) {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for mut chunk in chunks {
        while let Some(event) = decoder.next_event(&mut chunk).unwrap() {
            events.push(event);
        }
        assert!(chunk.is_empty());
    }
    (events, decoder.finish().unwrap())
}

#[track_caller]
fn check(stream: &[u8], expected: &[(&str, &str)]) {
    for size in [1, 2, 3, usize::MAX] {
        let (events, _) = decode(stream.chunks(size));
        let events: Vec<_> =
            events.iter().map(|event| (event.name.as_deref().unwrap_or_default(), event.data.as_str())).collect();
        assert_eq!(events, expected, "in chunks of {size}");
    }
}

#[test]
fn lines_end_in_three_ways() {
    check(b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n", &[("", "a"), ("", "b"), ("", "c"), ("", "d")]);
}

#[test]
fn examples_of_the_standard() {
    // WHATWG HTML, section 9.2.6.
    check(b"data: YHOO\ndata: +2\ndata: 10\n\n", &[("", "YHOO\n+2\n10")]);
    check(
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[("", "first event"), ("", "second event"), ("", " third event")],
    );
    check(b"data\n\ndata\ndata\n\ndata:", &[("", ""), ("", "\n")]);
    check(b"data:test\n\ndata: test\n\n", &[("", "test"), ("", "test")]);
}

#[test]
fn names_comments_marks_and_unknown_fields() {
    check(
        b"\xEF\xBB\xBFevent: ping\ndata: {}\n\n: keep alive\n\nevent: lost\n\nretry: 3\nfoo: bar\ndata: x\n\n",
        &[("ping", "{}"), ("", "x")],
    );
    check(b"data: \xEF\xBB\xBF\n\n", &[("", "\u{FEFF}")]);
    check(b"event: a\nevent:\ndata: x\n\n", &[("", "x")]);
}

#[test]
fn characters_split_anywhere_and_broken_ones() {
    check("data: Grüße 👋 日本\n\n".as_bytes(), &[("", "Grüße 👋 日本")]);
    check(b"data: \xF0\x9F\x91 \xFF\n\n", &[("", "\u{FFFD} \u{FFFD}")]);
}

#[test]
fn an_event_without_its_blank_line_is_kept_apart() {
    for stream in
        ["data: a\n\nevent: e\ndata: last", "data: a\n\nevent: e\ndata: last\n", "data: a\n\nevent: e\ndata: last\r"]
    {
        let (events, last) = decode(stream.as_bytes().chunks(1));
        assert_eq!(events, [Event { name: None, data: "a".into() }]);
        assert_eq!(last, Some(Event { name: Some("e".into()), data: "last".into() }));
    }
    assert_eq!(decode([&b"data: a\n\n: comment"[..]]).1, None);
}

#[test]
fn lines_and_events_are_bounded() {
    let fill = |mut decoder: Decoder, piece: &[u8], times: usize| {
        for _ in 0..times {
            decoder.next_event(&mut &*piece)?;
        }
        Ok(())
    };
    let kilobyte = [b'x'; 1024];
    assert_eq!(fill(Decoder::default(), &kilobyte, LINE_BYTES / 1024), Ok(()));
    assert_eq!(fill(Decoder::default(), &kilobyte, LINE_BYTES / 1024 + 1), Err(Error::LongLine));
    let line = [b"data: ".as_slice(), &kilobyte[1..], b"\n"].concat();
    assert_eq!(fill(Decoder::default(), &line, EVENT_BYTES / 1024), Ok(()));
    assert_eq!(fill(Decoder::default(), &line, EVENT_BYTES / 1024 + 1), Err(Error::LargeEvent));
    assert_eq!(
        Decoder::default().next_event(&mut &[&vec![b'x'; LINE_BYTES + 1], &b"\n"[..]].concat()[..]),
        Err(Error::LongLine)
    );
}

/// Streams of pieces that matter to the grammar.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"data:".to_vec()),
        Just(b"event:".to_vec()),
        Just(b"id:".to_vec()),
        Just(b"retry:5".to_vec()),
        Just(b":".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        "[a-zäß👋 :]{0,6}".prop_map(String::into_bytes),
        Just(vec![0xF0, 0x9F]),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn chunks_make_no_difference(stream in streams(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]);
        prop_assert_eq!(decode(chunks), decode([stream.as_slice()]));
    }

    /// `eventsource-stream` is another reading of the standard. It strips a mark and a CR at other places than the standard
    /// says, refuses broken characters, and gives no events without data: those streams are left out.
    #[test]
    fn another_decoder_agrees(events in prop::collection::vec(("[a-z]{0,5}", prop::collection::vec("[a-zäß👋 :]{0,8}", 1..4)), 0..8), ending in prop_oneof![Just("\n"), Just("\r\n")], cut in any::<prop::sample::Index>()) {
        let mut text = String::new();
        for (name, lines) in &events {
            if !name.is_empty() {
                text.push_str(&format!("event: {name}{ending}"));
            }
            text.push_str(&format!(": comment{ending}id: 7{ending}"));
            for line in lines {
                text.push_str(&format!("data: {line}{ending}"));
            }
            text.push_str(ending);
        }
        let (head, tail) = text.as_bytes().split_at(cut.index(text.len() + 1));
        let chunks = [head.to_vec(), tail.to_vec()].map(Ok::<_, std::convert::Infallible>);
        let judged: Vec<_> = stream::iter(chunks).eventsource().collect::<Vec<_>>().now_or_never().unwrap();
        let judged: Vec<_> = judged.into_iter().map(|event| event.unwrap()).map(|event| (event.event, event.data)).collect();
        let name = |event: Event| (event.name.unwrap_or_else(|| "message".to_owned()), event.data);
        let ours: Vec<_> = decode([head, tail]).0.into_iter().map(name).collect();
        prop_assert_eq!(ours, judged);
    }

    #[test]
    fn no_bytes_break_it(stream in prop::collection::vec(any::<u8>(), 0..400)) {
        decode([stream.as_slice()]);
    }
}
