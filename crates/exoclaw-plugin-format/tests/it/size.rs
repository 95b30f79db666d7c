use exoclaw_plugin_format::ByteSize;
use proptest::prelude::*;

#[test]
fn sizes_are_read() {
    for (text, bytes) in [("0", 0), ("7", 7), ("7 B", 7), ("64KiB", 65_536), ("64 MiB", 67_108_864), ("1 GiB", 1 << 30)]
    {
        assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
    }
    for text in ["", "MiB", "-1", "+1", "1.5 MiB", "1 MB", "1 mib", "99999999999 GiB", "1 MiB "] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
}

#[test]
fn config_takes_numbers_and_texts() {
    let of = |json| serde_json::from_str::<ByteSize>(json);
    assert_eq!(of("5").unwrap(), ByteSize(5));
    assert_eq!(of("\"5 KiB\"").unwrap(), ByteSize(5120));
    assert!(of("-5").is_err());
    assert!(of("1.5").is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read(bytes: u64) {
        prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
    }
}
