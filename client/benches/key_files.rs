//! Micro-benchmark of key files: PEM and the passphrase's derivation. `bench/core.sh` runs it.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program that measures, and ends with what failed")]

#[expect(dead_code, reason = "it has the sizes of documents, too")]
#[path = "../../tuf-schema/benches/watch/mod.rs"]
mod watch;

use bulla::keys::{Derivation, KeyFile, KeyRole};
use ring::rand::SystemRandom;
use tuf_schema::Gun;
use tuf_schema::sign::Passphrase;
use tuf_schema::testing::secret_key;

use watch::Watch;

fn main() {
    let watch = Watch::of_arguments();
    let passphrase = Passphrase::from_text("bench-passphrase".to_owned());
    let gun = Gun::parse("bench.test/app").expect("a name");
    for (derivation, size) in [(Derivation::Compatible, "compatible"), (Derivation::Strong, "strong")] {
        let role = KeyRole::parse("targets");
        let sealed =
            bulla::keys::seal::seal(&secret_key(), &role, Some(&gun), &passphrase, derivation, &SystemRandom::new());
        let sealed = sealed.expect("a sealed key");
        let open = |()| {
            let file = KeyFile::parse_all(&sealed).into_iter().next().expect("a key file");
            file.open(Some(&passphrase)).expect("an opened key")
        };
        watch.measure("key file opened", size, || (), open);
    }
}
