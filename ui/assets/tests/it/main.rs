//! What is embedded, seen from outside.

use std::io::Read;

use exoclaw_ui_assets::{FILES, find};
use sha2::{Digest, Sha256};

#[test]
fn every_form_of_a_file_is_the_same_file() {
    for file in FILES {
        let mut brotli = Vec::new();
        brotli::Decompressor::new(file.brotli, 4096).read_to_end(&mut brotli).unwrap();
        assert!(!brotli.is_empty() && brotli == file.plain(), "{}", file.path);
        assert_eq!(hex::encode(&Sha256::digest(&brotli)[..16]), file.digest, "{}", file.path);
    }
}

#[test]
fn every_file_is_found_by_its_path() {
    for file in FILES {
        let found = find(&format!("/{}", file.path)).unwrap();
        assert_eq!((found.path, found.digest), (file.path, file.digest));
    }
    assert_eq!(find("/").unwrap().path, "index.html");
    assert!(find("/nothing").is_none());
    assert!(find("/../Cargo.toml").is_none());
}

#[test]
fn what_lasts_is_named_by_what_it_is() {
    for file in FILES.iter().filter(|file| file.lasting) {
        let mark = hex::encode(&Sha256::digest(file.plain())[..8]);
        assert!(file.path.contains(&format!("-{mark}.")), "{}", file.path);
    }
    let is_built = FILES.iter().any(|file| file.path.ends_with(".wasm"));
    assert_eq!(FILES.iter().filter(|file| file.lasting).count(), if is_built { 4 } else { 0 });
}

#[test]
fn forms_have_tags_of_their_own() {
    let file = find("/").unwrap();
    let tags = ["br", "gzip", ""].map(|accept| file.encoded(accept).etag);
    assert!(tags.iter().all(|tag| tag.starts_with('"') && tag.ends_with('"')), "{tags:?}");
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
}

#[test]
fn the_page_asks_for_nothing_that_is_not_embedded_and_runs_nothing_inline() {
    let html = std::str::from_utf8(find("/").unwrap().plain()).unwrap();
    for attribute in ["src=\"", "href=\""] {
        for rest in html.split(attribute).skip(1) {
            let path = rest.split('"').next().unwrap();
            assert!(path.starts_with("data:") || find(path).is_some(), "index.html asks for {path}");
        }
    }
    assert!(!find("/").unwrap().lasting, "the start page names the others, and is always asked for");
    // The content security policy allows neither.
    for script in html.split("<script").skip(1) {
        assert!(script.split('>').next().unwrap().contains(" src="), "inline script");
    }
    assert!(
        !html.contains("<style") && !html.contains(" style=") && !html.contains("onclick"),
        "inline style or handler"
    );
}
