//! Guests that try what they may not. What each tries on, and how hard, is the text of its arguments, `{"text":"…"}`.
//!
//! Each answers `00`, or a `2xx` status, if it got what it wanted, and something else if it was refused.

use super::component::{HTTP, HTTP_IMPORTS, HTTP_WORLD, component};

/// A guest in WebAssembly text.
pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    world: &'static str,
    imports: &'static str,
    functions: &'static str,
    call: &'static str,
}

impl Hostile {
    pub(crate) fn component(&self) -> Result<Vec<u8>, String> {
        component(self.world, self.imports, &format!("{DOSE} {}", self.functions), self.call)
            .map_err(|error| format!("{}: {error}", self.name))
    }

    const fn plain(name: &'static str, functions: &'static str, call: &'static str) -> Self {
        Self { name, world: "", imports: "", functions, call }
    }
}

/// `$dose` reads the number that the text is; `$answer` is 00 for one and 01 for the other.
const DOSE: &str = r#"
  (func $dose (param $at i32) (result i32)
    (local $n i32) (local $digit i32)
    (local.set $at (i32.add (local.get $at) (i32.const 9)))
    (block $end (loop $on
      (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
      (br_if $end (i32.gt_u (local.get $digit) (i32.const 9)))
      (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10)) (local.get $digit)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $on)))
    (local.get $n))
  (func $answer (param $got i32) (result i32) (call $number (i32.eqz (local.get $got))))"#;

const CLOCK: &str = "import wasi:clocks/monotonic-clock@0.2.0;";

/// All of them.
pub(crate) const HOSTILE: &[Hostile] = &[
    // `X path`, with a letter for what is done to the path in the first directory.
    Hostile {
        name: "fs",
        world: "import wasi:filesystem/types@0.2.0; import wasi:filesystem/preopens@0.2.0;",
        imports: r#"
          (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $dirs (param i32)))
          (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
          (import "wasi:filesystem/types@0.2.0" "[method]descriptor.symlink-at" (func $symlink (param i32 i32 i32 i32 i32 i32)))
          (import "wasi:filesystem/types@0.2.0" "[method]descriptor.link-at" (func $link (param i32 i32 i32 i32 i32 i32 i32 i32)))
          (import "wasi:filesystem/types@0.2.0" "[method]descriptor.rename-at" (func $rename (param i32 i32 i32 i32 i32 i32 i32)))
          (import "wasi:filesystem/types@0.2.0" "[method]descriptor.unlink-file-at" (func $unlink (param i32 i32 i32 i32)))
          (import "wasi:filesystem/types@0.2.0" "[method]descriptor.create-directory-at" (func $mkdir (param i32 i32 i32 i32)))"#,
        functions: r#"(data (i32.const 1024) "made")"#,
        call: r#"
          (local $what i32) (local $path i32) (local $size i32) (local $dir i32) (local $last i32)
          (call $dirs (i32.const 256))
          (if (i32.eqz (i32.load (i32.const 260))) (then (return (call $number (i32.const 99)))))
          (local.set $dir (i32.load (i32.load (i32.const 256))))
          ;; The last directory; the first again if there is one alone.
          (local.set $last (i32.load (i32.add (i32.load (i32.const 256))
            (i32.mul (i32.sub (i32.load (i32.const 260)) (i32.const 1)) (i32.const 12)))))
          (local.set $what (i32.load8_u offset=9 (local.get $arguments)))
          (local.set $path (i32.add (local.get $arguments) (i32.const 11)))
          (local.set $size (i32.sub (local.get $arguments_len) (i32.const 13)))
          (i32.store8 (i32.const 300) (i32.const 1))
          (i32.store8 (i32.const 301) (i32.const 97))
          (i32.store8 (i32.const 304) (i32.const 97))
          (if (i32.eq (local.get $what) (i32.const 114)) ;; r: read
            (then (call $open (local.get $dir) (i32.const 1) (local.get $path) (local.get $size) (i32.const 0) (i32.const 1) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 119)) ;; w: write, made if it is not there
            (then (call $open (local.get $dir) (i32.const 1) (local.get $path) (local.get $size) (i32.const 1) (i32.const 2) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 116)) ;; t: truncate
            (then (call $open (local.get $dir) (i32.const 1) (local.get $path) (local.get $size) (i32.const 8) (i32.const 2) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 113)) ;; q: truncate, opened for reading
            (then (call $open (local.get $dir) (i32.const 1) (local.get $path) (local.get $size) (i32.const 8) (i32.const 1) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 100)) ;; d: make a directory
            (then (call $mkdir (local.get $dir) (local.get $path) (local.get $size) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 117)) ;; u: remove
            (then (call $unlink (local.get $dir) (local.get $path) (local.get $size) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 115)) ;; s: make a symbolic link to it
            (then (call $symlink (local.get $dir) (local.get $path) (local.get $size) (i32.const 1024) (i32.const 4) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 104)) ;; h: make a hard link to it in the last directory
            (then (call $link (local.get $dir) (i32.const 0) (local.get $path) (local.get $size) (local.get $last) (i32.const 1024) (i32.const 4) (i32.const 300))))
          (if (i32.eq (local.get $what) (i32.const 110)) ;; n: move it into the last directory
            (then (call $rename (local.get $dir) (local.get $path) (local.get $size) (local.get $last) (i32.const 1024) (i32.const 4) (i32.const 300))))
          (call $number (if (result i32) (i32.load8_u (i32.const 300)) (then (i32.const 1)) (else (i32.const 0))))"#,
    },
    Hostile {
        name: "env",
        world: "import wasi:cli/environment@0.2.0;",
        imports: r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $env (param i32)))"#,
        functions: "",
        call: "(call $env (i32.const 256)) (call $answer (i32.load (i32.const 260)))",
    },
    Hostile {
        name: "http",
        world: HTTP_WORLD,
        imports: HTTP_IMPORTS,
        functions: HTTP,
        call: "(call $fetch_text (local.get $arguments) (local.get $arguments_len))",
    },
    // `t`: a socket for TCP, `u`: one for UDP, `n`: the addresses of a name, `l`: listens on a socket that it never got,
    // `c`: takes its streams, `p`: waits for it.
    Hostile {
        name: "sockets",
        world: "import wasi:sockets/instance-network@0.2.0; import wasi:sockets/ip-name-lookup@0.2.0; import wasi:sockets/tcp@0.2.0; import wasi:sockets/tcp-create-socket@0.2.0; import wasi:sockets/udp-create-socket@0.2.0;",
        imports: r#"
          (import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
          (import "wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses" (func $lookup (param i32 i32 i32 i32)))
          (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $tcp (param i32 i32)))
          (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-listen" (func $listen (param i32 i32)))
          (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-connect" (func $connect (param i32 i32)))
          (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.subscribe" (func $subscribe (param i32) (result i32)))
          (import "wasi:sockets/udp-create-socket@0.2.0" "create-udp-socket" (func $udp (param i32 i32)))"#,
        functions: r#"(data (i32.const 1024) "localhost")"#,
        call: r#"
          (local $what i32)
          (local.set $what (i32.load8_u offset=9 (local.get $arguments)))
          (i32.store8 (i32.const 256) (i32.const 1))
          (if (i32.eq (local.get $what) (i32.const 116)) (then (call $tcp (i32.const 0) (i32.const 256))))
          (if (i32.eq (local.get $what) (i32.const 117)) (then (call $udp (i32.const 1) (i32.const 256))))
          (if (i32.eq (local.get $what) (i32.const 110))
            (then (call $lookup (call $network) (i32.const 1024) (i32.const 9) (i32.const 256))))
          (if (i32.eq (local.get $what) (i32.const 108)) (then (call $listen (call $network) (i32.const 256))))
          (if (i32.eq (local.get $what) (i32.const 99)) (then (call $connect (call $network) (i32.const 256))))
          (if (i32.eq (local.get $what) (i32.const 112)) (then (drop (call $subscribe (i32.const 1))) (i32.store8 (i32.const 256) (i32.const 0))))
          (call $number (if (result i32) (i32.load8_u (i32.const 256))
            (then (i32.add (i32.const 10) (i32.load8_u (i32.const 260)))) (else (i32.const 0))))"#,
    },
    // Reads the key that the text is.
    Hostile {
        name: "kv",
        world: "",
        imports: r#"(import "exoclaw:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))"#,
        functions: "",
        call: "(call $get (i32.add (local.get $arguments) (i32.const 9)) (i32.sub (local.get $arguments_len) (i32.const 11)) (i32.const 256))
               (call $answer (i32.and (i32.eqz (i32.load8_u (i32.const 256))) (i32.load8_u (i32.const 260))))",
    },
    // Keeps a value of so many bytes.
    Hostile {
        name: "kv-fill",
        world: "",
        imports: r#"(import "exoclaw:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))"#,
        functions: r#"(data (i32.const 1024) "k")"#,
        call: "(call $set (i32.const 1024) (i32.const 1) (i32.const 2048) (call $dose (local.get $arguments)) (i32.const 256))
               (call $answer (i32.eqz (i32.load8_u (i32.const 256))))",
    },
    // Bombs: each of so many.
    Hostile::plain("memory", "", "(call $answer (i32.ne (memory.grow (call $dose (local.get $arguments))) (i32.const -1)))"),
    Hostile::plain(
        "tables",
        "(table $a 1 funcref) (table $b 1 funcref)",
        "(call $answer (i32.and
           (i32.ne (table.grow $a (ref.null func) (call $dose (local.get $arguments))) (i32.const -1))
           (i32.ne (table.grow $b (ref.null func) (call $dose (local.get $arguments))) (i32.const -1))))",
    ),
    Hostile {
        name: "random",
        world: "import wasi:random/random@0.2.0;",
        imports: r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#,
        functions: "",
        call: "(call $random (i64.extend_i32_u (call $dose (local.get $arguments))) (i32.const 256)) (call $number (i32.const 0))",
    },
    Hostile {
        name: "resources",
        world: CLOCK,
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))"#,
        functions: "",
        call: "(loop $on (drop (call $after (i64.const 1)))
                 (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (call $dose (local.get $arguments)))))
               (call $number (i32.const 0))",
    },
    Hostile::plain(
        "output",
        "",
        "(drop (memory.grow (i32.const 64))) (i32.store16 (i32.const 65536) (i32.const 0x3030))
         (call $text (i32.const 65536) (call $dose (local.get $arguments)))",
    ),
    Hostile::plain(
        "blocks",
        "",
        "(drop (memory.grow (i32.const 64)))
         (drop (call $number (i32.const 0)))
         (memory.copy (i32.const 131072) (i32.const 64) (i32.const 12))
         (i32.store (i32.const 36) (i32.const 131072))
         (i32.store (i32.const 40) (call $dose (local.get $arguments)))
         (i32.const 32)",
    ),
    Hostile {
        name: "log-flood",
        world: "",
        imports: r#"(import "exoclaw:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#,
        functions: "",
        call: "(loop $on (call $log (i32.const 0) (i32.const 0) (i32.const 0))
                 (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (call $dose (local.get $arguments)))))
               (call $number (i32.const 0))",
    },
    // One line of so many bytes.
    Hostile {
        name: "log-line",
        world: "",
        imports: r#"(import "exoclaw:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#,
        functions: "",
        call: "(drop (memory.grow (i32.const 64)))
               (call $log (i32.const 0) (i32.const 65536) (call $dose (local.get $arguments))) (call $number (i32.const 0))",
    },
    Hostile::plain(
        "recursion",
        "(func $down (param $n i32) (result i32)
           (if (result i32) (local.get $n) (then (i32.add (call $down (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))) (else (i32.const 0))))",
        "(call $number (call $down (call $dose (local.get $arguments))))",
    ),
    // So many thousand rounds.
    Hostile::plain(
        "spin",
        "",
        "(local $end i64) (local $n i64)
         (local.set $end (i64.mul (i64.extend_i32_u (call $dose (local.get $arguments))) (i64.const 1000)))
         (loop $on (br_if $on (i64.lt_u (local.tee $n (i64.add (local.get $n) (i64.const 1))) (local.get $end))))
         (call $number (i32.const 0))",
    ),
    Hostile::plain("spin-start", "(func $forever (loop $on (br $on))) (start $forever)", "(call $number (i32.const 0))"),
    Hostile::plain("calm-start", "(func $once) (start $once)", "(call $number (i32.const 0))"),
    Hostile::plain(
        "spin-drop",
        r#"(func (export "cabi_post_exoclaw:plugin/tool@0.1.0#call") (param i32) (loop $on (br $on)))"#,
        "(call $number (i32.const 0))",
    ),
    Hostile::plain(
        "calm-drop",
        r#"(func (export "cabi_post_exoclaw:plugin/tool@0.1.0#call") (param i32))"#,
        "(call $number (i32.const 0))",
    ),
    Hostile::plain("memory-start", "(func $grow (if (i32.eq (memory.grow (i32.const 512)) (i32.const -1)) (then unreachable))) (start $grow)", "(call $number (i32.const 0))"),
    Hostile {
        name: "spin-host",
        world: CLOCK,
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))"#,
        functions: "",
        call: "(loop $on (drop (call $now))
                 (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (call $dose (local.get $arguments)))))
               (call $number (i32.const 0))",
    },
    // Sleeps so many milliseconds.
    Hostile {
        name: "sleep",
        world: "import wasi:clocks/monotonic-clock@0.2.0; import wasi:io/poll@0.2.0;",
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
                    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
        functions: "",
        call: "(call $block (call $after (i64.mul (i64.extend_i32_u (call $dose (local.get $arguments))) (i64.const 1000000))))
               (call $number (i32.const 0))",
    },
    Hostile {
        name: "exit",
        world: "import wasi:cli/exit@0.2.0;",
        imports: r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#,
        functions: "",
        call: "(if (call $dose (local.get $arguments)) (then (call $exit (i32.const 1)))) (call $number (i32.const 0))",
    },
    Hostile::plain(
        "crash",
        "",
        "(local.set $i (call $dose (local.get $arguments)))
         (if (i32.eq (local.get $i) (i32.const 1)) (then unreachable))
         (if (i32.eq (local.get $i) (i32.const 2)) (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))
         (if (i32.eq (local.get $i) (i32.const 3)) (then (drop (i32.load (i32.const -4)))))
         (if (i32.eq (local.get $i) (i32.const 4)) (then (memory.fill (i32.const 0) (i32.const 0) (i32.const -1))))
         (call $number (i32.const 0))",
    ),
    // Answers that lie where they can't or are what they can't be; 0 is a sound one.
    Hostile::plain(
        "answer",
        r#"(data (i32.const 1024) "\ff\fe\80")"#,
        "(drop (call $number (i32.const 0)))
         (local.set $i (call $dose (local.get $arguments)))
         (if (i32.eq (local.get $i) (i32.const 1)) (then (return (i32.const -8))))
         (if (i32.eq (local.get $i) (i32.const 2)) (then (return (i32.const 33))))
         (if (i32.eq (local.get $i) (i32.const 3)) (then (i32.store (i32.const 36) (i32.const -12))))
         (if (i32.eq (local.get $i) (i32.const 4)) (then (i32.store (i32.const 40) (i32.const -1))))
         (if (i32.eq (local.get $i) (i32.const 5)) (then (i32.store (i32.const 68) (i32.const -2))))
         (if (i32.eq (local.get $i) (i32.const 6)) (then (i32.store (i32.const 72) (i32.const -1))))
         (if (i32.eq (local.get $i) (i32.const 7)) (then (i32.store (i32.const 68) (i32.const 1024)) (i32.store (i32.const 72) (i32.const 3))))
         (if (i32.eq (local.get $i) (i32.const 8)) (then (i32.store8 (i32.const 32) (i32.const 9))))
         (if (i32.eq (local.get $i) (i32.const 9)) (then (i32.store8 (i32.const 64) (i32.const 77))))
         (if (i32.eq (local.get $i) (i32.const 10)) (then (i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 128) (i32.const 123))))
         (i32.const 32)",
    ),
];

/// Components that must not load, as text of the component itself: a name, and the text of its core module.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("threads", "(module (memory 1 1 shared))"),
    ("memory64", "(module (memory i64 1))"),
    ("tail-calls", "(module (func $f (return_call $f)))"),
    ("relaxed-simd", "(module (func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))"),
    ("sound", "(module (memory 1))"),
];
