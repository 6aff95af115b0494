//! What fuzzing found, once more.

use std::{fs, path::Path};

use tryon_providers::fuzzing::TARGETS;

#[test]
fn every_corpus_is_survived() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let files: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().map(Result::unwrap).collect();
        assert!(files.len() >= 4, "{name} has no corpus");
        for file in files {
            target(&fs::read(file.path()).unwrap());
        }
    }
}

/// And what is cut anywhere, or has one bit changed.
#[test]
fn so_is_what_is_near_it() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        for file in fs::read_dir(corpora.join(name)).unwrap() {
            let mut bytes = fs::read(file.unwrap().path()).unwrap();
            bytes.truncate(600);
            for at in 0..bytes.len() {
                target(&bytes[..at]);
                bytes[at] ^= 1 << (at % 8);
                target(&bytes);
                bytes[at] ^= 1 << (at % 8);
            }
        }
    }
}
