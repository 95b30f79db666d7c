use super::*;

#[track_caller]
fn check(marked: &str, expected: &str) {
    let [open, close] = MARKS;
    let parts = snippet(&marked.replace('[', &open.to_string()).replace(']', &close.to_string()));
    let shown = |part: SnippetPart| if part.found { format!("[{}]", part.text) } else { part.text };
    assert_eq!(parts.into_iter().map(shown).collect::<String>(), expected);
}

#[test]
fn a_snippet_is_one_line_around_the_first_word() {
    check("", "");
    check("[milk]", "[milk]");
    check("\n buy\n\n[milk]\tand [bread] ", "buy [milk] and [bread] ");
    check(&format!("{} [milk]", "word ".repeat(30)), &format!("…{} [milk]", " word".repeat(11)));
    check(&format!("{}[milk]", "x".repeat(100)), &format!("…{}[milk]", "x".repeat(60)));
    check(&format!("[milk]{}", "é".repeat(300)), &format!("[milk]{}…", "é".repeat(236)));
    check(&format!("[{}]", "é".repeat(300)), &format!("[{}…]", "é".repeat(240)));
}

#[test]
fn nothing_in_a_query_is_syntax() {
    let query = |text: &str| Search::of(text, 1).query();
    assert_eq!(query(" \n\0"), None);
    assert_eq!(query("a"), Some("\"a\"".into()));
    assert_eq!(query("é"), Some("\"é\" *".into()));
    assert_eq!(query("a OR \"b NEAR(c\0d) text:x*"), Some(r#""a" "OR" """b" "NEAR(c" "d)" "text:x*" *"#.into()));
    let many = query(&"w ".repeat(100)).unwrap();
    assert_eq!(many.split(' ').count(), limits::SEARCH_WORDS);
}
