//! Files, variables and stores that were not granted.

use crate::{
    Access, FsGrant, Grants,
    corpus::{
        Case, Ground,
        case::{Attack, Control, Terms, nothing},
    },
};

fn granted(ground: &Ground, access: Access) -> FsGrant {
    FsGrant { host: ground.granted(), guest: "/first".into(), access }
}

fn read(ground: &Ground) -> Terms {
    Terms::with(Grants { fs: vec![granted(ground, Access::Read)], ..Grants::default() })
}

fn write(ground: &Ground) -> Terms {
    Terms::with(Grants { fs: vec![granted(ground, Access::ReadWrite)], ..Grants::default() })
}

/// The granted folder, and another one that may only be read.
fn two(ground: &Ground) -> Terms {
    let other = FsGrant { host: ground.other(), guest: "/second".into(), access: Access::Read };
    Terms::with(Grants { fs: vec![granted(ground, Access::ReadWrite), other], ..Grants::default() })
}

/// Both folders, to be written.
fn both(ground: &Ground) -> Terms {
    let other = FsGrant { host: ground.other(), guest: "/second".into(), access: Access::ReadWrite };
    Terms::with(Grants { fs: vec![granted(ground, Access::ReadWrite), other], ..Grants::default() })
}

/// The folder around all.
fn everything(ground: &Ground) -> Terms {
    let all = FsGrant { host: ground.folder().to_owned(), guest: "/first".into(), access: Access::ReadWrite };
    Terms::with(Grants { fs: vec![all], ..Grants::default() })
}

fn env(_: &Ground) -> Terms {
    Terms::with(Grants { env: vec!["HOSTILE".into()], ..Grants::default() })
}

fn other_env(_: &Ground) -> Terms {
    Terms::with(Grants { env: vec!["HOME".into(), "PATH".into()], ..Grants::default() })
}

fn kv(agent: &'static str, quota: u64) -> Terms {
    Terms { grants: Grants { kv: Some(crate::ByteSize(quota)), ..Grants::default() }, agent, ..Terms::default() }
}

const fn case(
    name: &'static str,
    text: &'static str,
    narrow: fn(&Ground) -> Terms,
    control: &'static str,
    wide: fn(&Ground) -> Terms,
) -> Case {
    Case {
        name,
        attack: Attack::Call { guest: "fs", text, narrow, control: Control { guest: "fs", text: control, wide } },
    }
}

const fn same(
    guest: &'static str,
    name: &'static str,
    text: &'static str,
    narrow: fn(&Ground) -> Terms,
    wide: fn(&Ground) -> Terms,
) -> Case {
    Case { name, attack: Attack::Call { guest, text, narrow, control: Control { guest, text, wide } } }
}

pub(super) const CASES: &[Case] = &[
    same("fs", "read without a grant", "r inside.txt", nothing, read),
    case("read through ..", "r ../secret.txt", write, "r secret.txt", everything),
    case("read through ./..", "r ./../secret.txt", write, "r ./secret.txt", everything),
    case("read through many ..", "r ../../../../../../../../etc/passwd", write, "r granted/../secret.txt", everything),
    case("read an absolute path", "r /etc/passwd", write, "r secret.txt", everything),
    case("read through a link to a file", "r way-out", write, "r granted/way-out", everything),
    case("read through an absolute link", "r users", write, "r inside.txt", read),
    case("read through a link to a folder", "r door/secret.txt", write, "r secret.txt", everything),
    case("read through a link and ..", "r door/granted/../secret.txt", write, "r granted/../secret.txt", everything),
    case("read the folder above", "r ..", write, "r .", write),
    case("write through ..", "w ../new.txt", write, "w new.txt", everything),
    case("write through a link", "w way-out", write, "w granted/way-out", everything),
    case("write through a link to a folder", "w door/new.txt", write, "w new.txt", everything),
    case("truncate through a link", "t way-out", write, "t granted/way-out", everything),
    case("remove through ..", "u ../secret.txt", write, "u secret.txt", everything),
    case("remove through a link", "u door/secret.txt", write, "u secret.txt", everything),
    case("make a folder through ..", "d ../new", write, "d new", everything),
    same("fs", "write what may be read", "w inside.txt", read, write),
    same("fs", "create where it may read", "w new.txt", read, write),
    same("fs", "truncate what may be read", "t inside.txt", read, write),
    case("truncate a file opened for reading", "q inside.txt", read, "t inside.txt", write),
    same("fs", "remove what may be read", "u inside.txt", read, write),
    same("fs", "make a folder where it may read", "d new", read, write),
    case("make a link out", "s ../secret.txt", write, "w made", write),
    case("make an absolute link", "s /etc/passwd", write, "w made", write),
    case("make a link inside", "s inside.txt", write, "w made", write),
    same("fs", "make a hard link where it may read", "h inside.txt", two, both),
    case("make a hard link to what lies outside", "h ../secret.txt", both, "h secret.txt", everything),
    same("fs", "move a file where it may read", "n inside.txt", two, both),
    case("move what lies outside", "n ../secret.txt", both, "n secret.txt", everything),
    same("env", "see the environment", "", nothing, env),
    same("env", "see other variables than granted", "", other_env, env),
    same("kv", "read a store without a grant", "diary", nothing, |_| kv("theirs", 1024)),
    same("kv", "read another agent's store", "diary", |_| kv("own", 1024), |_| kv("theirs", 1024)),
    case_kv("read another agent's store by its path", "../theirs/diary"),
    case_kv("read another plugin's store by its name", "other:diary"),
    same("kv-fill", "keep more than the quota", "2048", |_| kv("own", 1024), |_| kv("own", 4096)),
];

const fn case_kv(name: &'static str, text: &'static str) -> Case {
    let control = Control { guest: "kv", text: "diary", wide: |_| kv("theirs", 1024) };
    Case { name, attack: Attack::Call { guest: "kv", text, narrow: |_| kv("own", 1024), control } }
}
