use exoclaw_protocol::Money;
use proptest::prelude::*;

#[track_caller]
fn check(text: &str, billionths: u64, shown: &str) {
    let money: Money = text.parse().unwrap();
    assert_eq!((money.billionths(), money.to_string().as_str()), (billionths, shown));
}

#[test]
fn amounts_are_exact() {
    check("0", 0, "0");
    check("3", 3_000_000_000, "3");
    check("3.00", 3_000_000_000, "3");
    check("0.0375", 37_500_000, "0.0375");
    check("007.000000001", 7_000_000_001, "7.000000001");
    check("9223372036.854775807", i64::MAX.cast_unsigned(), "9223372036.854775807");
}

#[test]
fn what_is_no_amount_is_refused() {
    let wrong =
        ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "1 ", "0.1234567891", "9223372036.854775808", "¼", "NaN"];
    for text in wrong {
        assert!(text.parse::<Money>().is_err(), "{text:?}");
    }
    for json in ["0.1", "1", "null", "[]", "\"x\""] {
        assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
    }
}

#[test]
fn sums_stop_at_the_ends() {
    let one = Money::from_billionths(1);
    assert_eq!(Money::MAX.plus(one), Money::MAX);
    assert_eq!(Money::from_billionths(u64::MAX), Money::MAX);
    assert_eq!(Money::ZERO.minus(one), Money::ZERO);
}

proptest! {
    #[test]
    fn texts_come_back(billionths in 0..=i64::MAX.cast_unsigned()) {
        let money = Money::from_billionths(billionths);
        prop_assert_eq!(money.to_string().parse(), Ok(money));
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    }
}
