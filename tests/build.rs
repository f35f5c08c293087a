//! Makes the client stubs of the signer's contract, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../signer/proto/notary.proto");
    let contract = protox::compile(["notary.proto"], ["../signer/proto"])?;
    tonic_prost_build::configure().build_client(true).build_server(false).compile_fds(contract)?;
    Ok(())
}
