//! Strict JSON: what is let in is written, read and written again as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tuf_schema::json;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = json::parse(bytes) else { return };
    let wire = json::wire(&value).expect("strict JSON holds integers only");
    let again = json::parse(&wire).expect("what we wrote is strict");
    assert_eq!(again, value);
    assert_eq!(json::canonical(&again).ok(), json::canonical(&value).ok());
});
