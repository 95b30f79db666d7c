//! Event streams of model servers, in every chunking.

use exoclaw_agent::{
    sse::Decoder,
    test_util::{Dialect, decode},
};

/// However a stream is cut, the same events come out of it.
pub(crate) fn events(bytes: &[u8]) {
    let read = |pieces: Vec<&[u8]>| {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for mut piece in pieces {
            loop {
                match decoder.next_event(&mut piece) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => return (events, Err(error)),
                }
            }
        }
        let last = decoder.finish();
        (events, last)
    };
    let whole = read(vec![bytes]);
    for cut in cuts(bytes) {
        assert_eq!(read(cut), whole);
    }
}

pub(crate) fn anthropic(bytes: &[u8]) {
    dialect(Dialect::Anthropic, bytes);
}

pub(crate) fn openai(bytes: &[u8]) {
    dialect(Dialect::OpenAi, bytes);
}

/// However a stream is cut, the same step comes out of it, or none.
fn dialect(dialect: Dialect, bytes: &[u8]) {
    let whole = decode(dialect, &[bytes]);
    for cut in cuts(bytes) {
        assert_eq!(decode(dialect, &cut), whole);
    }
}

/// Byte by byte, and in pieces of a size that the bytes choose.
fn cuts(bytes: &[u8]) -> [Vec<&[u8]>; 2] {
    let size = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into())) % 97 + 2;
    [1, size].map(|size| bytes.chunks(size).collect())
}
