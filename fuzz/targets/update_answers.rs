//! Answers to updates: what is taken apart is written and taken apart again as the same files, all of its bytes and no others.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tuf_schema::update_answer::{MAX_FILES, UpdateIndex};

fuzz_target!(|bytes: &[u8]| {
    let Ok(taken) = UpdateIndex::take_apart(&Bytes::copy_from_slice(bytes)) else { return };
    assert!(taken.len() <= MAX_FILES);
    let (files, parts): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
    let mut again = UpdateIndex::new(files.clone()).expect("it was read").to_line();
    let body = parts.concat();
    assert!(bytes.ends_with(&body));
    again.extend_from_slice(&body);
    let (files_again, parts_again): (Vec<_>, Vec<_>) =
        UpdateIndex::take_apart(&again.into()).expect("what we wrote is an answer").into_iter().unzip();
    assert_eq!((files, parts), (files_again, parts_again));
});
