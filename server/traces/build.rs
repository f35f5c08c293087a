//! Makes the stubs of OTLP's contract, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut contract = protox::compile(["opentelemetry/proto/collector/trace/v1/trace_service.proto"], ["proto"])?;
    // its comments, which are not written for rustdoc
    contract.file.iter_mut().for_each(|file| file.source_code_info = None);
    // the server is for the tests, which take what is exported as a collector would
    tonic_prost_build::configure().build_client(true).build_server(true).compile_fds(contract)?;
    Ok(())
}
