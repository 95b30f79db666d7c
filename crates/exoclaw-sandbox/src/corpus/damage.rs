//! Guests that break, answer nonsense, or are no guests at all.

use crate::corpus::{
    Case,
    case::{Attack, Control, nothing},
};

const fn call(name: &'static str, guest: &'static str, text: &'static str) -> Case {
    let control = Control { guest, text: "0", wide: nothing };
    Case { name, attack: Attack::Call { guest, text, narrow: nothing, control } }
}

const fn load(name: &'static str, guest: &'static str, damage: fn(Vec<u8>) -> Vec<u8>) -> Case {
    Case { name, attack: Attack::Load { guest, damage, sound: "fs" } }
}

/// A component that a sound one is compared with: it has nothing wrong but that it exports no tool.
const fn feature(name: &'static str, guest: &'static str) -> Case {
    Case { name, attack: Attack::Load { guest, damage: |bytes| bytes, sound: "sound" } }
}

pub(super) const CASES: &[Case] = &[
    call("crash", "crash", "1"),
    call("divide by zero", "crash", "2"),
    call("read beyond its memory", "crash", "3"),
    call("fill beyond its memory", "crash", "4"),
    call("end the program", "exit", "1"),
    call("answer from beyond its memory", "answer", "1"),
    call("answer from a crooked address", "answer", "2"),
    call("answer with a list beyond its memory", "answer", "3"),
    call("answer with an endless list", "answer", "4"),
    call("answer with text beyond its memory", "answer", "5"),
    call("answer with endless text", "answer", "6"),
    call("answer with what is no UTF-8", "answer", "7"),
    call("answer neither well nor badly", "answer", "8"),
    call("answer with an unknown block", "answer", "9"),
    call("answer with what is no JSON", "answer", "10"),
    load("be cut short", "fs", |mut bytes| {
        bytes.truncate(bytes.len() / 2);
        bytes
    }),
    load("be nothing", "fs", |_| Vec::new()),
    load("be noise", "fs", |bytes| bytes.iter().map(|byte| byte.wrapping_mul(31).wrapping_add(7)).collect()),
    load("be a core module", "fs", |_| b"\0asm\x01\0\0\0".to_vec()),
    load("be of another version", "fs", |mut bytes| {
        bytes[4] = 0x7f;
        bytes
    }),
    load("claim an endless section", "fs", |mut bytes| {
        bytes.truncate(8);
        bytes.extend([1, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        bytes
    }),
    load("be too large", "fs", |mut bytes| {
        bytes.resize(crate::corpus::run::TOO_LARGE, 0);
        bytes
    }),
    load("have two manifests", "fs", |mut bytes| {
        let section = b"\0\x13\x10exoclaw:manifest{}";
        bytes.extend(section);
        bytes
    }),
    feature("use threads", "threads"),
    feature("use 64-bit memory", "memory64"),
    feature("use tail calls", "tail-calls"),
    feature("use relaxed SIMD", "relaxed-simd"),
];
