//! Micro-benchmark of the signer's sealed keys: a JWE and the passphrase's derivation. `bench/core.sh` runs it.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program that measures, and ends with what failed")]

#[expect(dead_code, reason = "it has the sizes of documents, too")]
#[path = "../../tuf-schema/benches/watch/mod.rs"]
mod watch;

use std::sync::Arc;

use bulla_signer::measuring::SealedSecret;
use ring::rand::SystemRandom;
use tokio::runtime::Builder;

use watch::Watch;

/// A private key of P-256 in PKCS #8, in bytes.
const SECRET_BYTES: usize = 138;

fn main() {
    let watch = Watch::of_arguments();
    let runtime = Builder::new_multi_thread().build().expect("a runtime");
    let sealed = runtime.block_on(SealedSecret::new(&[7; SECRET_BYTES], Arc::new(SystemRandom::new())));
    let sealed = sealed.expect("a sealed key");
    let open = |()| runtime.block_on(sealed.open()).expect("an opened key");
    watch.measure("sealed key of the signer opened", "PBES2, JWE", || (), open);
}
