//! Files of shares of root keys: what is read is written and read again as the same share.
#![no_main]

use bulla::shares::Share;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(share) = Share::parse(text) else { return };
    let again = Share::parse(&share.to_text()).expect("what we wrote is a share");
    assert!(again == share);
});
