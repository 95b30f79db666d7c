//! Where signatures lie in a file, and which places don't count.

use exoclaw_plugin_format::{FormatError, Manifest, SIGNATURE_SECTION, Signature, Signed, limits, pack};
use proptest::prelude::*;

use crate::{EMPTY, notes, section::section};

fn signature(number: u8) -> Signature {
    Signature { key: [number; 32], signature: [number; 64] }
}

fn packed() -> Vec<u8> {
    pack(EMPTY, &notes()).unwrap()
}

fn add(file: &[u8], number: u8) -> Result<Vec<u8>, FormatError> {
    Signed::of_component(file)?.with(signature(number))
}

#[track_caller]
fn refused(file: &[u8]) {
    let error = Signed::of_component(file).unwrap_err();
    assert!(matches!(error, FormatError::Signatures(_)), "{error:?}");
}

#[test]
fn what_was_added_is_found_and_the_signed_part_stays_the_same() {
    let packed = packed();
    assert_eq!(Signed::of_component(&packed).unwrap(), Signed { body: &packed, signatures: vec![] });
    let once = add(&packed, 1).unwrap();
    let twice = add(&once, 2).unwrap();
    let signed = Signed::of_component(&twice).unwrap();
    assert_eq!(signed, Signed { body: &packed, signatures: vec![signature(1), signature(2)] });
    assert_eq!(Manifest::of_component(&twice).unwrap(), notes());
    // The same key again: one signature of each.
    let again = add(&twice, 1).unwrap();
    assert_eq!(Signed::of_component(&again).unwrap().signatures, [signature(2), signature(1)]);
}

#[test]
fn only_packed_components_are_signed_and_not_by_everybody() {
    assert!(matches!(add(EMPTY, 1), Err(FormatError::NoManifest)));
    let mut file = packed();
    for number in 0..limits::SIGNATURES {
        file = add(&file, number as u8).unwrap();
    }
    assert!(matches!(add(&file, 200), Err(FormatError::Signatures(_))));
}

#[test]
fn signatures_in_other_places_or_forms_are_refused() {
    let good = [&[1][..], &[7; 96]].concat();
    let with = |data: &[u8]| [packed(), section(SIGNATURE_SECTION, data)].concat();
    assert_eq!(Signed::of_component(&with(&good)).unwrap().signatures, [signature(7)]);
    // Something after it is not covered.
    refused(&[with(&good), section("exoclaw:manifest", b"{}")].concat());
    refused(&[with(&good), section("name", b"")].concat());
    refused(&[with(&good), section(SIGNATURE_SECTION, &good)].concat());
    for data in [&[][..], &[1], &[2, 0], &good[..96], &[&good[..], &[0]].concat()] {
        refused(&with(data));
    }
    let twice = [&good[..], &good[1..]].concat();
    refused(&with(&twice));
    let many: Vec<u8> = [1].into_iter().chain((0..=limits::SIGNATURES).flat_map(|key| [key as u8; 96])).collect();
    refused(&with(&many));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_no_byte_is_neither_signed_nor_signature(at in 0usize..2_000, flip in 1u8..) {
        let mut file = add(&packed(), 3).unwrap();
        let at = at % file.len();
        file[at] ^= flip;
        if let Ok(signed) = Signed::of_component(&file) {
            // Whatever was changed shows: in what is signed, or in the signatures.
            prop_assert!(signed.body != packed() || signed.signatures != [signature(3)]);
        }
    }
}
