use exoclaw_plugin_format::{FormatError, Manifest, PackError, SECTION, limits, pack};
use proptest::prelude::*;

use crate::{EMPTY, notes};

/// A custom section as the component model writes it.
pub(crate) fn section(name: &str, data: &[u8]) -> Vec<u8> {
    use wasm_encoder::{CustomSection, Encode, Section};
    let section = CustomSection { name: name.into(), data: data.into() };
    let mut bytes = vec![section.id()];
    section.encode(&mut bytes);
    bytes
}

#[test]
fn what_is_packed_is_read() {
    let packed = pack(EMPTY, &notes()).unwrap();
    assert!(packed.starts_with(EMPTY));
    assert_eq!(Manifest::of_component(&packed).unwrap(), notes());
}

#[test]
fn only_one_manifest_counts() {
    let packed = pack(EMPTY, &notes()).unwrap();
    assert!(matches!(pack(&packed, &notes()), Err(PackError::Packed)));
    let twice = [packed.as_slice(), &packed[EMPTY.len()..]].concat();
    assert!(matches!(Manifest::of_component(&twice), Err(FormatError::TwoManifests)));
}

#[test]
fn a_nested_component_cannot_bring_the_manifest() {
    const COMPONENT_SECTION: u8 = 4;
    let inner = pack(EMPTY, &notes()).unwrap();
    let mut outer = EMPTY.to_vec();
    outer.push(COMPONENT_SECTION);
    let mut size = inner.len();
    while size >= 0x80 {
        outer.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    outer.push(size as u8);
    outer.extend(&inner);
    assert!(matches!(Manifest::of_component(&outer), Err(FormatError::NoManifest)));
}

#[test]
fn bytes_that_are_no_plugin_are_told_apart() {
    let of = |bytes: &[u8]| Manifest::of_component(bytes).unwrap_err();
    assert!(matches!(of(b""), FormatError::NotAComponent));
    assert!(matches!(of(b"#!/bin/sh\n"), FormatError::NotAComponent));
    assert!(matches!(of(b"\0asm\x01\0\0\0"), FormatError::CoreModule));
    assert!(matches!(of(EMPTY), FormatError::NoManifest));
    assert!(matches!(of(&[EMPTY, &[0, 200]].concat()), FormatError::Damaged(_)));
    assert!(matches!(of(&[EMPTY, &section(SECTION, b"{}")].concat()), FormatError::Manifest(_)));
    let large = section(SECTION, &vec![b' '; limits::MANIFEST_BYTES + 1]);
    assert!(matches!(of(&[EMPTY, &large].concat()), FormatError::Manifest(_)));
    let huge = [EMPTY, &section("other", &vec![0; limits::COMPONENT_BYTES])].concat();
    assert!(matches!(of(&huge), FormatError::TooLarge { .. }));
}

#[test]
fn sections_of_others_are_passed_over() {
    let packed = pack(&[EMPTY, &section("name", b"x")].concat(), &notes()).unwrap();
    let more = [packed, section("producers", b"y")].concat();
    assert_eq!(Manifest::of_component(&more).unwrap(), notes());
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(cut in 0usize..2000, flip in 0usize..2000, bit in 0u8..8) {
        let mut bytes = pack(EMPTY, &notes()).unwrap();
        let at = flip % bytes.len();
        bytes[at] ^= 1 << bit;
        bytes.truncate(bytes.len() - cut % bytes.len());
        drop(Manifest::of_component(&bytes));
    }
}
