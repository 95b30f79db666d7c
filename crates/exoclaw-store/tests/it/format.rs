use exoclaw_store::Record;

const SPECIFICATION: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/store-format.md"));

/// Records that are on disks already must stay readable, so their JSON may not drift from what is specified.
#[test]
fn records_are_written_as_specified() {
    let mut kinds = Vec::new();
    for line in SPECIFICATION.lines().filter(|line| line.starts_with("{\"kind\"")) {
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
        kinds.push(line.split('"').nth(3).unwrap());
    }
    let expected = [
        "accepted",
        "run_started",
        "step",
        "approval_requested",
        "approval_resolved",
        "intent",
        "run_suspended",
        "run_resumed",
        "tool_result",
        "run_ended",
        "delivered",
        "noted",
        "set",
        "summarized",
        "compacted",
        "reset",
    ];
    assert_eq!(kinds, expected);
}
