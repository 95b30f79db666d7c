use proptest::prelude::*;

use super::{Carry, Kind, language, line};

/// The pieces of a text, each with its kind; what is plain is left out.
fn pieces(name: &str, text: &str) -> Vec<(Kind, String)> {
    let (rules, mut carry) = (language(name).unwrap(), Carry::default());
    let mut all = Vec::new();
    for row in text.lines() {
        let mut from = 0;
        for (kind, to) in line(rules, row, &mut carry) {
            if kind != Kind::Plain {
                all.push((kind, row[from..to].to_owned()));
            }
            from = to;
        }
    }
    all
}

#[track_caller]
fn check(name: &str, text: &str, want: &[(Kind, &str)]) {
    let want: Vec<(Kind, String)> = want.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
    assert_eq!(pieces(name, text), want);
}

#[test]
fn words_texts_numbers_and_comments() {
    use Kind::{Comment, Keyword, Name, Number, Text};
    check(
        "rust",
        "fn main() { let x = \"a \\\" b\"; } // end",
        &[(Keyword, "fn"), (Name, "main"), (Keyword, "let"), (Text, "\"a \\\" b\""), (Comment, "// end")],
    );
    check("json", "{\"a\": [1.5, true]}", &[(Name, "\"a\""), (Number, "1.5"), (Keyword, "true")]);
    check("SQL", "SELECT 1 -- one", &[(Keyword, "SELECT"), (Number, "1"), (Comment, "-- one")]);
    check("diff", "+new\n-old\n same", &[(Kind::Added, "+new"), (Kind::Removed, "-old")]);
}

#[test]
fn what_runs_over_lines_is_carried() {
    check("c", "/* a\nb */ int", &[(Kind::Comment, "/* a"), (Kind::Comment, "b */"), (Kind::Keyword, "int")]);
    check("py", "'''a\nb''' + 1", &[(Kind::Text, "'''a"), (Kind::Text, "b'''"), (Kind::Number, "1")]);
}

#[test]
fn other_languages_are_left_alone() {
    assert_eq!(language("klingon"), None);
    assert_eq!(language(""), None);
}

proptest! {
    #[test]
    fn pieces_are_all_of_the_line(
        name in "(json|sh|py|rs|js|toml|yaml|sql|html|css|diff)",
        row in "[ -~äß🦀]{0,60}",
    ) {
        let mut end = 0;
        for (_, to) in line(language(&name).unwrap(), &row, &mut Carry::default()) {
            prop_assert!(to > end && row.is_char_boundary(to));
            end = to;
        }
        prop_assert_eq!(end, row.len());
    }
}
