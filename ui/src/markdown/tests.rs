use proptest::prelude::*;

use super::{Align, Block, Document, Inline, parse, safe_link};

fn text(text: &str) -> Inline {
    Inline::Text(text.to_owned())
}

fn paragraph(inline: &str) -> Block {
    Block::Paragraph(vec![text(inline)])
}

#[test]
fn the_common_shapes() {
    assert_eq!(
        parse("# Plan\n\nDo **this**, *not* ~~that~~ with `x < y`.\n"),
        [
            Block::Heading(1, vec![text("Plan")]),
            Block::Paragraph(vec![
                text("Do "),
                Inline::Strong(vec![text("this")]),
                text(", "),
                Inline::Emphasis(vec![text("not")]),
                text(" "),
                Inline::Strike(vec![text("that")]),
                text(" with "),
                Inline::Code("x < y".into()),
                text("."),
            ]),
        ]
    );
    assert_eq!(
        parse("3. a\n4. b\n   - c\n"),
        [Block::List {
            start: Some(3),
            items: vec![
                vec![paragraph("a")],
                vec![paragraph("b"), Block::List { start: None, items: vec![vec![paragraph("c")]] }],
            ],
        }]
    );
    assert_eq!(
        parse("```rust,ignore\nfn main() {}\n"),
        [Block::Code { language: "rust".into(), text: "fn main() {}\n".into() }]
    );
    assert_eq!(
        parse("| a | b |\n|:-:|--:|\n| 1 | 2 |\n"),
        [Block::Table {
            align: vec![Align::Center, Align::End],
            head: vec![vec![text("a")], vec![text("b")]],
            rows: vec![vec![vec![text("1")], vec![text("2")]]],
        }]
    );
    assert_eq!(parse("> a\n\n---\n"), [Block::Quote(vec![paragraph("a")]), Block::Rule]);
}

#[test]
fn markup_in_an_answer_is_text() {
    assert_eq!(
        parse("a <img src=x onerror=alert(1)> b"),
        [Block::Paragraph(vec![text("a <img src=x onerror=alert(1)> b")])]
    );
    assert_eq!(parse("<script>\nalert(1)\n</script>"), [paragraph("<script>\nalert(1)\n</script>")]);
}

#[test]
fn an_image_is_its_description() {
    assert_eq!(parse("![a cat](https://spy.example/x.png)"), [paragraph("a cat")]);
}

#[test]
fn links_go_to_the_web_or_to_mail_only() {
    let link = |to: &str| Block::Paragraph(vec![Inline::Link(to.to_owned(), vec![text("x")])]);
    assert_eq!(parse("[x](https://exoclaw.example/a?b#c)"), [link("https://exoclaw.example/a?b#c")]);
    assert_eq!(parse("[x](javascript:alert(1))"), [paragraph("x")]);
    for address in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "\u{1}javascript:alert(1)",
        " https://a.example",
        "https://a.example\n",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//a.example",
        "/path",
        "#x",
        "https:",
        "",
    ] {
        assert_eq!(safe_link(address), None, "{address:?}");
    }
    for address in ["http://a.example", "HTTPS://a.example", "mailto:a@b.example"] {
        assert_eq!(safe_link(address), Some(address));
    }
}

#[test]
fn deep_nesting_ends() {
    fn depth(blocks: &[Block]) -> usize {
        let within = |block: &Block| match block {
            Block::Quote(blocks) => 1 + depth(blocks),
            Block::List { items, .. } => 1 + items.iter().map(|item| depth(item)).max().unwrap_or(0),
            _ => 0,
        };
        blocks.iter().map(within).max().unwrap_or(0)
    }
    let deep = format!("{} bottom", "> ".repeat(5_000));
    assert!(depth(&parse(&deep)) <= 30);
    let list: String = (0..500).map(|level| format!("{}- x\n", "  ".repeat(level))).collect();
    assert!(depth(&parse(&list)) <= 30);
    assert!(format!("{:?}", parse(&deep)).contains("bottom"));
}

const SAMPLE: &str = "# Trip\n\nFirst a *paragraph*\nof two lines.\n\n- one\n- two\n\n  still two\n\n1. a\n2. b\n\n```rust\nfn main() {\n\n    let x = 1;\n}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nTitle\n=====\n\n> quote\ngoes on\n\n    indented\n\nSee [this][ref] and <b>that</b>.\n\n[ref]: https://exoclaw.example\n\nä ö — 日本語 🦀 end\n";

fn shown(document: &Document) -> Vec<Block> {
    document.blocks().map(|(_, block)| Block::clone(block)).collect()
}

#[test]
fn growing_by_any_step_ends_like_the_whole() {
    let chars: Vec<char> = SAMPLE.chars().collect();
    for step in 1..=chars.len() {
        let mut document = Document::default();
        let mut text = String::new();
        for chunk in chars.chunks(step) {
            text.extend(chunk);
            document.update(&text);
        }
        document.finish(&text);
        assert_eq!(shown(&document), parse(SAMPLE), "steps of {step}");
    }
}

#[test]
fn while_it_grows_it_looks_like_the_whole_so_far() {
    // Without the late definition of a link, which only `finish` knows.
    let sample = SAMPLE.replace("[this][ref]", "this");
    let mut document = Document::default();
    for (end, _) in sample.char_indices() {
        document.update(&sample[..end]);
        assert_eq!(shown(&document), parse(&sample[..end]), "after {:?}", &sample[..end]);
    }
}

#[test]
fn finished_blocks_keep_their_keys() {
    let mut document = Document::default();
    document.update("one\n\ntwo\n\nthr");
    let before: Vec<u64> = document.blocks().map(|(key, _)| *key).collect();
    document.update("one\n\ntwo\n\nthree and more");
    let after: Vec<u64> = document.blocks().map(|(key, _)| *key).collect();
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
}

proptest! {
    #[test]
    fn any_text_in_any_pieces_ends_like_the_whole(
        pieces in proptest::collection::vec("([#>*`|~\\-=_0-9. \n\t\\[\\]()<a-c:!]|\n\n|```|- |1\\. ){0,12}", 0..12),
    ) {
        let mut document = Document::default();
        let mut text = String::new();
        for piece in &pieces {
            text.push_str(piece);
            document.update(&text);
        }
        document.finish(&text);
        prop_assert_eq!(shown(&document), parse(&text));
    }
}

#[test]
fn code_that_grows_keeps_its_key() {
    let mut document = Document::default();
    document.update("one\n\n```rust\nfn a()");
    let keys = |document: &Document| document.blocks().map(|(key, _)| *key).collect::<Vec<_>>();
    let before = keys(&document);
    document.update("one\n\n```rust\nfn a() {}\nfn b() {}\n");
    assert_eq!(keys(&document), before);
    document.update("one\n\n```rust\nfn a() {}\nfn b() {}\n```\ntwo");
    assert_eq!(keys(&document)[..2], before);
}
