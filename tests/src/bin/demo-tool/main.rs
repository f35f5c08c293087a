//! What `make demo` needs beside Bulla itself: free ports, an image, a registry when none is installed, and an attacker.

mod attack;
mod image;
mod registry;

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context, bail};

const USAGE: &str = "\
usage: demo-tool ports N                        N free ports on loopback, one a line
       demo-tool registry PORT                  a registry in memory on 127.0.0.1, until it is killed
       demo-tool push HOST:PORT/NAME:TAG TEXT   pushes an image of one file that says TEXT; prints the digest
       demo-tool digest HOST:PORT/NAME:TAG      what the registry has under the tag
       demo-tool flip-byte DATABASE ROLE        changes one byte of the newest stored ROLE; a second time undoes it";

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest wants one even for plain HTTP; a second installation, which cannot be, would change nothing
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(answer) if writeln!(io::stdout(), "{answer}").is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "demo-tool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> anyhow::Result<String> {
    match arguments {
        ["ports", count] => Ok(free_ports(count.parse().context("N is a number")?)?.join("\n")),
        ["registry", port] => registry::serve(port.parse().context("PORT is a number")?),
        ["push", image, text] => image::push(image, text).await,
        ["digest", image] => image::digest(image).await,
        ["flip-byte", database, role] => attack::flip_byte(database, role).await,
        _ => bail!("{USAGE}"),
    }
}

/// All are held until all are known, so that they differ.
fn free_ports(count: usize) -> anyhow::Result<Vec<String>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
    let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port().to_string()));
    ports.collect()
}
