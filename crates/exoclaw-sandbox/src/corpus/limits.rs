//! More than the limits allow.

use std::time::Duration;

use crate::{
    ByteSize, Limits,
    corpus::{
        Case, Ground,
        case::{Attack, Control, Terms, nothing},
    },
    limits::CEILING,
};

fn small_memory(_: &Ground) -> Terms {
    Terms::within(Limits { memory: ByteSize(16 << 20), ..Limits::default() })
}

fn little_fuel(_: &Ground) -> Terms {
    Terms::within(Limits { fuel: 1_000_000, ..Limits::default() })
}

fn few_host_calls(_: &Ground) -> Terms {
    Terms::within(Limits { host_calls: 100, ..Limits::default() })
}

/// A moment, and as much fuel as there is.
fn a_moment(_: &Ground) -> Terms {
    Terms::within(Limits {
        time: Duration::from_millis(100),
        fuel: CEILING.fuel,
        host_calls: CEILING.host_calls,
        ..Limits::default()
    })
}

const fn dose(
    name: &'static str,
    guest: &'static str,
    much: &'static str,
    narrow: fn(&Ground) -> Terms,
    little: &'static str,
) -> Case {
    Case {
        name,
        attack: Attack::Call { guest, text: much, narrow, control: Control { guest, text: little, wide: nothing } },
    }
}

const fn calm(name: &'static str, guest: &'static str, narrow: fn(&Ground) -> Terms, calm: &'static str) -> Case {
    let control = Control { guest: calm, text: "", wide: nothing };
    Case { name, attack: Attack::Call { guest, text: "", narrow, control } }
}

pub(super) const CASES: &[Case] = &[
    dose("take more memory", "memory", "512", small_memory, "512"),
    dose("take all memory", "memory", "60000", nothing, "16"),
    calm("take memory while starting", "memory-start", small_memory, "memory-start"),
    dose("fill tables", "tables", "60000", nothing, "1000"),
    dose("draw random bytes", "random", "1000000", nothing, "1000"),
    dose("hold resources", "resources", "5000", nothing, "100"),
    dose("say too much", "output", "300000", nothing, "2"),
    dose("say far too much", "output", "4000000", nothing, "2"),
    dose("say many small things", "blocks", "100000", nothing, "1"),
    dose("log in endless calls", "log-flood", "1000", few_host_calls, "1000"),
    dose("log one endless line", "log-line", "4000000", nothing, "1000"),
    dose("recurse", "recursion", "100000000", nothing, "100"),
    dose("burn fuel", "spin", "1000000", little_fuel, "1000"),
    dose("burn time", "spin", "2000000000", a_moment, "1000"),
    calm("spin while starting", "spin-start", a_moment, "calm-start"),
    calm("spin while ending", "spin-drop", a_moment, "calm-drop"),
    dose("call the host without end", "spin-host", "1000", few_host_calls, "1000"),
    dose("spin between host calls", "spin-host", "1000000000", a_moment, "1000"),
    dose("sleep", "sleep", "60000", a_moment, "1"),
];
