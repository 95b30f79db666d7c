use std::collections::HashSet;

use exoclaw_protocol::{ErrorCode, RpcError};

#[test]
fn every_code_has_its_own_number_and_name() {
    let numbers: HashSet<i32> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
    let names: HashSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!((numbers.len(), names.len()), (ErrorCode::ALL.len(), ErrorCode::ALL.len()));
}

/// JSON-RPC 2.0, section 5.1: -32768 to -32000 are reserved, and of these -32099 to -32000 are ours.
#[test]
fn own_numbers_are_in_the_servers_range() {
    let standard = [-32700, -32600, -32601, -32602, -32603];
    for code in ErrorCode::ALL {
        let number = code.number();
        assert!(standard.contains(&number) || (-32099..=-32000).contains(&number), "{code}: {number}");
    }
}

#[test]
fn every_code_survives_the_wire() {
    for &code in ErrorCode::ALL {
        for retry_after_ms in [None, Some(0), Some(u64::MAX)] {
            let error = RpcError { retry_after_ms, ..RpcError::new(code, "what helps") };
            let text = serde_json::to_string(&error.to_object()).unwrap();
            assert_eq!(RpcError::from_object(&serde_json::from_str(&text).unwrap()), error);
        }
        let text = serde_json::to_string(&code).unwrap();
        assert_eq!(serde_json::from_str::<ErrorCode>(&text).unwrap(), code);
    }
}

#[test]
fn codes_of_a_newer_version_read_as_internal() {
    let object = serde_json::from_str(r#"{"code":-32098,"message":"new","data":7}"#).unwrap();
    assert_eq!(RpcError::from_object(&object), RpcError::new(ErrorCode::Internal, "new"));
}

#[test]
fn the_error_table() {
    let row =
        |code: &ErrorCode| format!("{} {code}{}", code.number(), if code.is_retryable() { " retryable" } else { "" });
    let table: Vec<String> = ErrorCode::ALL.iter().map(row).collect();
    insta::assert_snapshot!(table.join("\n"));
}
