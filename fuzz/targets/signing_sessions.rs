//! Files of signing sessions: what is read is written and read again as the same bytes, and all that is signed has a
//! meaning that is shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tuf_schema::session::SigningSession;
use tuf_schema::{Dialect, Draft, Unverified};

fuzz_target!(|bytes: &[u8]| {
    let Ok(session) = SigningSession::parse(bytes) else { return };
    let again = SigningSession::parse(&session.to_bytes()).expect("what we wrote is a session");
    assert_eq!(again.to_bytes(), session.to_bytes());
    let targets = session.targets().values().map(|document| (Draft::new(Dialect::Notary, document.claims()), document.message()));
    let root = session.root().map(|document: &Unverified<_>| (Draft::new(Dialect::Notary, document.claims()), document.message()));
    for (shown, signed) in targets.chain(root) {
        assert_eq!(shown.expect("it was read").message(), signed);
    }
});
