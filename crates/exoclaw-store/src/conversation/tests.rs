use super::*;

#[test]
fn a_title_is_one_line_of_the_first_words() {
    let title = |text: &str| title(&Message::user(text));
    assert_eq!(title("  buy\n milk,\tand bread "), Some("buy milk, and bread".into()));
    assert_eq!(title(" \n"), None);
    let long = title(&"word ".repeat(40)).unwrap();
    assert!(long.starts_with("word word") && long.ends_with("word…"), "{long}");
    for text in ["word ".repeat(40), "ž".repeat(200), format!("{} end", "x".repeat(79))] {
        let count = title(&text).unwrap().chars().count();
        assert!(count <= TITLE_CHARS, "{count}: {text}");
    }
}
