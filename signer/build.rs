//! Makes the stubs of `proto/notary.proto`, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/notary.proto");
    let contract = protox::compile(["notary.proto"], ["proto"])?;
    // the client is for the tests, which talk to the signer as a server would
    tonic_prost_build::configure().build_client(true).build_server(true).compile_fds(contract)?;
    Ok(())
}
