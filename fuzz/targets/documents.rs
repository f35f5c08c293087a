//! Documents of every type: no input panics, and what is its own re-encoding is so after another round.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tuf_schema::dialect::Document;
use tuf_schema::model::{Root, Snapshot, Targets, Timestamp};
use tuf_schema::{Dialect, Draft, Envelope, Role};

fn read<M: Document>(envelope: &Envelope, role: Role) {
    let is_own_encoding = envelope.is_reference_encoding::<M>();
    let Ok(document) = envelope.clone().decode::<M>(role) else { return };
    let Ok(draft) = Draft::new(Dialect::Notary, document.claims()) else { return };
    let written = draft.finish(document.signatures());
    let again = Envelope::parse(Dialect::Notary, written).expect("what we wrote is an envelope");
    assert!(again.is_reference_encoding::<M>());
    if is_own_encoding {
        assert_eq!(again.claimed_version(), envelope.claimed_version());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::parse(Dialect::Notary, Bytes::copy_from_slice(bytes)) else { return };
    read::<Root>(&envelope, Role::Root);
    read::<Targets>(&envelope, Role::Targets);
    read::<Snapshot>(&envelope, Role::Snapshot);
    read::<Timestamp>(&envelope, Role::Timestamp);
});
