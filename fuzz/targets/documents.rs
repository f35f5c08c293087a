//! Documents of every type: no input panics, what is its own re-encoding is so after another round, and no answer
//! depends on the order of members, by which a document is read without a tree or with one.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tuf_schema::dialect::Document;
use tuf_schema::json::{self, Value};
use tuf_schema::model::{Root, Snapshot, Targets, Timestamp};
use tuf_schema::{Dialect, Draft, Envelope, Role};

/// The document with the members of each object in reverse order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let member =
                |(name, member): (&String, &Value)| format!("{}:{}", Value::from(name.as_str()), reversed(member));
            format!("{{{}}}", members.iter().rev().map(member).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn read<M: Document>(envelope: &Envelope, turned: &Envelope, role: Role) {
    let is_own_encoding = envelope.is_reference_encoding::<M>();
    let document = envelope.clone().decode::<M>(role.clone());
    let other = turned.clone().decode::<M>(role);
    assert_eq!(document.as_ref().err(), other.as_ref().err());
    let (Ok(document), Ok(other)) = (document, other) else { return };
    assert_eq!((document.message(), document.signatures()), (other.message(), other.signatures()));
    let Ok(draft) = Draft::new(Dialect::Notary, document.claims()) else { return };
    let written = draft.finish(document.signatures());
    let again = Envelope::parse(Dialect::Notary, written).expect("what we wrote is an envelope");
    assert!(again.is_reference_encoding::<M>());
    if is_own_encoding {
        assert_eq!(again.claimed_version(), envelope.claimed_version());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let parsed = Envelope::parse(Dialect::Notary, Bytes::copy_from_slice(bytes));
    let Ok(tree) = json::parse(bytes) else {
        assert!(parsed.is_err(), "what the strict parser refuses is no envelope");
        return;
    };
    let turned = Envelope::parse(Dialect::Notary, reversed(&tree).into());
    assert_eq!(parsed.as_ref().err(), turned.as_ref().err());
    let (Ok(envelope), Ok(turned)) = (parsed, turned) else { return };
    assert_eq!(envelope.claimed_version(), turned.claimed_version());
    read::<Root>(&envelope, &turned, Role::Root);
    read::<Targets>(&envelope, &turned, Role::Targets);
    read::<Snapshot>(&envelope, &turned, Role::Snapshot);
    read::<Timestamp>(&envelope, &turned, Role::Timestamp);
});
