//! Who vouches for a plugin, and what that is worth.

use exoclaw_plugin_format::Signed;
use exoclaw_sandbox::{
    LoadError, PublicKey, Sandbox, SandboxConfig, SignatureError, SigningKey, SigningKeyError, Trust, signers,
};

use crate::guest::{ECHO, Guest};

const ECHO_GUEST: Guest<'_> = Guest { call: ECHO, ..Guest::NONE };

fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

fn sandbox(required: bool, keys: &[(&str, PublicKey)]) -> Sandbox {
    let keys = keys.iter().map(|(name, key)| ((*name).to_owned(), *key)).collect();
    let config = SandboxConfig { concurrency: 4, trust: Trust { required, keys }, ..SandboxConfig::default() };
    Sandbox::new(config).unwrap()
}

#[test]
fn only_what_a_trusted_key_signed_is_loaded_where_that_is_wanted() {
    let (alice, mallory) = (key(), key());
    let strict = sandbox(true, &[("alice", alice.public())]);
    let packed = ECHO_GUEST.packed();
    let error = strict.load_bytes(&packed, None).unwrap_err();
    assert!(matches!(&error, LoadError::Untrusted { signers } if signers.is_empty()), "{error:?}");

    let by_mallory = mallory.sign(&packed).unwrap();
    let error = strict.load_bytes(&by_mallory, None).unwrap_err();
    assert!(matches!(&error, LoadError::Untrusted { signers } if *signers == [mallory.public()]), "{error:?}");
    assert!(error.to_string().contains(&mallory.public().to_string()), "{error}");

    let by_both = alice.sign(&by_mallory).unwrap();
    let plugin = strict.load_bytes(&by_both, None).unwrap();
    assert_eq!(plugin.signers(), [mallory.public(), alice.public()]);
    // Elsewhere a stranger's signature is no more than none.
    sandbox(false, &[]).load_bytes(&by_mallory, None).unwrap();
}

#[test]
fn a_change_of_component_or_manifest_breaks_the_signature_for_everybody() {
    let alice = key();
    let signed = alice.sign(&ECHO_GUEST.packed()).unwrap();
    let find = |text: &[u8]| signed.windows(text.len()).position(|window| window == text).unwrap();
    // A byte of the code's names, and a word of the manifest.
    for (at, byte) in [(find(b"cabi_realloc"), b'C'), (find(b"A guest of the tests"), b'B')] {
        let mut changed = signed.clone();
        changed[at] = byte;
        for strict in [false, true] {
            let error = sandbox(strict, &[("alice", alice.public())]).load_bytes(&changed, None).unwrap_err();
            let LoadError::Signature(SignatureError::Wrong { key }) = error else { panic!("{error:?}") };
            assert_eq!(key, alice.public());
        }
    }
}

#[test]
fn a_signature_of_another_plugin_is_worth_nothing() {
    let alice = key();
    let signed = alice.sign(&ECHO_GUEST.packed()).unwrap();
    let stolen = Signed::of_component(&signed).unwrap().signatures[0];
    let other = Guest { call: "unreachable", ..Guest::NONE }.packed();
    let forged = Signed::of_component(&other).unwrap().with(stolen).unwrap();
    assert!(matches!(signers(&forged), Err(SignatureError::Wrong { .. })));
    // Nor does the key of another make it one.
    let mut renamed = stolen;
    renamed.key = *b"0123456789abcdef0123456789abcdef";
    let forged = Signed::of_component(&ECHO_GUEST.packed()).unwrap().with(renamed).unwrap();
    assert!(matches!(signers(&forged), Err(SignatureError::Wrong { .. })));
}

#[test]
fn signing_again_replaces_a_signature_that_went_wrong() {
    let alice = key();
    let signed = alice.sign(&ECHO_GUEST.packed()).unwrap();
    assert_eq!(alice.sign(&signed).unwrap(), signed);
    let mut wrong = Signed::of_component(&signed).unwrap().signatures[0];
    wrong.signature[0] ^= 1;
    let broken = Signed::of_component(&signed).unwrap().with(wrong).unwrap();
    assert!(signers(&broken).is_err());
    assert_eq!(alice.sign(&broken).unwrap(), signed);
    // Somebody else can't make good what is broken.
    assert!(matches!(key().sign(&broken), Err(SignatureError::Wrong { .. })));
}

#[test]
fn keys_are_read_as_others_write_them() {
    // RFC 8410, 10.3 and 10.1.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem(pem).unwrap();
    let public = "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    assert_eq!(key.public().to_string(), public);
    assert_eq!(public.parse(), Ok(key.public()));
    let (key, pem) = SigningKey::generate().unwrap();
    assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), key.public());
    assert_eq!(format!("{key:?}"), format!("SigningKey(of {})", key.public()));
    for text in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        assert!(matches!(SigningKey::from_pem(text), Err(SigningKeyError::Form)), "{text:?}");
    }
    for text in ["", "ed25519:", "ed25519:AAAA", "rsa:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", &public[..51]] {
        assert!(text.parse::<PublicKey>().is_err(), "{text:?}");
    }
}
