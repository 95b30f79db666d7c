use serde_json::json;

use super::*;

/// What is missed of a run whose present step has come to `now`, where `shown` was seen of it.
fn missed(shown: &str, now: &str) -> Vec<Missed> {
    let run: RunId = "01JCZ0000000000000000000AA".parse().unwrap();
    let mut seen = Shown::default();
    seen.event(&Event::Delta { text: shown.to_owned() });
    let snapshot = json!({ "messages": [], "run": { "runId": run, "text": now } });
    let caught_up = seen.catch_up(&run, &serde_json::from_value(snapshot).unwrap());
    assert_eq!(caught_up.run, Is::UnderWay);
    caught_up.missed
}

fn text(text: &str, goes_on: bool) -> Vec<Missed> {
    vec![Missed::Text { text: text.to_owned(), goes_on }]
}

#[test]
fn what_was_shown_goes_on() {
    assert_eq!(missed("half an ", "half an answer"), text("answer", true));
    assert_eq!(missed("half an ", "half an "), []);
}

/// Also where the run has said nothing yet since it was taken up again: its next words are no end of the old ones.
#[test]
fn a_step_that_began_anew_is_shown_as_such() {
    assert_eq!(missed("half an ", "a whole"), text("a whole", false));
    assert_eq!(missed("half an ", ""), text("", false));
}
