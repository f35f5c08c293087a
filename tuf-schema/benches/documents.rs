//! Micro-benchmarks of documents: canonical JSON, reading, verifying. `bench/core.sh` runs them.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program that measures, and ends with what failed")]

mod watch;

use std::num::NonZeroU32;

use bytes::Bytes;
use tuf_schema::dialect::Dialect;
use tuf_schema::model::{DelegatedRole, Targets};
use tuf_schema::testing::{Publisher, secret_key, to_value};
use tuf_schema::verify::Authority;
use tuf_schema::{BaseRole, DelegationName, Envelope, Gun, Role, SigningKey as _, UtcTime, json};

use watch::{SIZES, Watch, named};

fn main() {
    let watch = Watch::of_arguments();
    for size in SIZES {
        documents(&watch, size);
    }
}

fn documents(watch: &Watch, size: (usize, usize)) {
    let gun = Gun::parse("bench.test/app").expect("a name");
    let now = UtcTime::parse("2026-01-01T00:00:00Z").expect("a time");
    let mut owner = Publisher::new(&gun, secret_key().public(), secret_key().public(), now);
    for tag in 0..size.0 {
        owner.tag(&format!("v1.{tag}.0"), tag.to_string().as_bytes());
    }
    for number in 0..size.1 {
        let key = secret_key().public().clone();
        owner.targets.delegations.roles.push(DelegatedRole {
            name: DelegationName::parse(&format!("targets/signer-{number}")).expect("a name"),
            key_ids: vec![key.id().clone()],
            threshold: NonZeroU32::MIN,
            paths: vec![String::new()],
        });
        owner.targets.delegations.keys.insert(key.id().clone(), key);
    }
    let size = named(size);
    let value = to_value(&owner.targets);
    watch.measure("canonical JSON of targets", &size, || (), |()| json::canonical(&value));
    let raw = owner.targets_bytes();
    let authority = Authority::of_base(&owner.root, BaseRole::Targets);
    let read = |raw: Bytes| {
        let envelope = Envelope::parse(Dialect::Notary, raw).expect("a document");
        envelope.decode::<Targets>(Role::Targets).expect("targets")
    };
    watch.measure("targets read", &size, || raw.clone(), read);
    watch.measure("signatures of targets verified", &size, || read(raw.clone()), |read| read.verify(&authority));
}
