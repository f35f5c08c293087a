//! Micro-benchmark of a publish: judged, completed with snapshot and timestamp, and kept. Store and keys are in memory, so that
//! neither database nor signer is measured. `bench/core.sh` runs it.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program that measures, and ends with what failed")]

#[path = "../../tuf-schema/benches/watch/mod.rs"]
mod watch;

use std::num::NonZeroU32;
use std::sync::Arc;

use bulla_server::auth::{Access, Authenticator, Credentials, Push};
use bulla_server::clock::{Clock, SystemClock};
use bulla_server::publish::{PublishLimits, Publisher as Publishing, Upload, UploadPart};
use bulla_server::signer::local::LocalSigner;
use bulla_server::signer::{KeyAlgorithm, RoleSigner as _, ServerRole};
use bulla_server::store::memory::MemoryStore;
use ring::rand::SystemRandom;
use tuf_schema::model::DelegatedRole;
use tuf_schema::testing::{Publisher, secret_key};
use tuf_schema::{DelegationName, Gun, Role, SigningKey as _};

use watch::{SIZES, Watch, named};

const GUN: &str = "bench.test/app";

fn main() {
    let watch = Watch::of_arguments();
    for size in SIZES {
        publish(&watch, size);
    }
}

fn publish(watch: &Watch, size: (usize, usize)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let gun = Gun::parse(GUN).expect("a name");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let signer = Arc::new(LocalSigner::new(Arc::new(SystemRandom::new())));
    let key = |role| runtime.block_on(signer.create_key(&gun, role, KeyAlgorithm::Ecdsa)).expect("a key");
    let (snapshot, timestamp) = (key(ServerRole::Snapshot), key(ServerRole::Timestamp));
    let mut owner = Publisher::new(&gun, &snapshot, &timestamp, clock.now());
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
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let chance = Arc::new(SystemRandom::new());
    let publishing = Publishing::new(store, signer, Arc::clone(&clock), PublishLimits::default(), chance);
    let credentials = Credentials::default();
    let permit = Authenticator::Open.authorize::<Push>(credentials, GUN, clock.now()).expect("everybody may");
    let access: Access<Push> = permit.access().expect("a name");
    let root = UploadPart { role: Role::Root, bytes: owner.root_bytes() };
    let targets = |owner: &Publisher| UploadPart { role: Role::Targets, bytes: owner.targets_bytes() };
    let first = Upload { parts: vec![root, targets(&owner)] };
    runtime.block_on(publishing.publish(&access, first)).expect("the first publish");
    watch.measure(
        "publish judged, signed and kept in memory",
        &size,
        || {
            owner.next_targets();
            Upload { parts: vec![targets(&owner)] }
        },
        |upload| runtime.block_on(publishing.publish(&access, upload)).expect("a publish"),
    );
}
