//! An image of one file, pushed to a registry over plain HTTP the way docker pushes it.

use anyhow::{Context, ensure};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode};
use ring::digest::{SHA256, digest as hash};
use serde_json::json;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Pushes an image whose only file, `/hello`, says `text`, and answers the manifest's digest.
pub(crate) async fn push(image: &str, text: &str) -> anyhow::Result<String> {
    let client = client()?;
    let Image { base, tag } = Image::parse(image)?;

    let layer = tar_of_one_file("hello", text.as_bytes());
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]},
    });
    let config = serde_json::to_vec(&config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(&config), "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": sha256(&layer), "size": layer.len()}],
    });
    let manifest = serde_json::to_vec(&manifest)?;

    for blob in [layer, config] {
        let begun = client.post(format!("{base}/blobs/uploads/")).send().await?;
        let begun = expect(begun, StatusCode::ACCEPTED).await?;
        let location = begun.headers().get(LOCATION).context("an upload without a location")?;
        let mut place = begun.url().join(location.to_str()?)?;
        place.query_pairs_mut().append_pair("digest", &sha256(&blob));
        expect(client.put(place).body(blob).send().await?, StatusCode::CREATED).await?;
    }
    let digest = sha256(&manifest);
    let put = client.put(format!("{base}/manifests/{tag}")).header(CONTENT_TYPE, MANIFEST).body(manifest);
    expect(put.send().await?, StatusCode::CREATED).await?;
    Ok(digest)
}

/// The digest of what the registry has under the image's tag.
pub(crate) async fn digest(image: &str) -> anyhow::Result<String> {
    let Image { base, tag } = Image::parse(image)?;
    let got = client()?.get(format!("{base}/manifests/{tag}")).header(ACCEPT, MANIFEST).send().await?;
    Ok(sha256(&expect(got, StatusCode::OK).await?.bytes().await?))
}

/// The registry is on this machine: a proxy from the environment has no part in it.
fn client() -> reqwest::Result<Client> {
    Client::builder().no_proxy().build()
}

struct Image<'a> {
    base: String,
    tag: &'a str,
}

impl<'a> Image<'a> {
    fn parse(image: &'a str) -> anyhow::Result<Self> {
        let (registry, rest) = image.split_once('/').context("HOST:PORT/NAME:TAG")?;
        let (name, tag) = rest.split_once(':').context("HOST:PORT/NAME:TAG")?;
        Ok(Self { base: format!("http://{registry}/v2/{name}"), tag })
    }
}

async fn expect(answer: Response, status: StatusCode) -> anyhow::Result<Response> {
    let (got, url) = (answer.status(), answer.url().clone());
    ensure!(got == status, "{url} answered {got} instead of {status}");
    Ok(answer)
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(hash(&SHA256, bytes)))
}

/// POSIX.1-1988 ustar: one header block, the content padded to blocks, two empty blocks.
fn tar_of_one_file(name: &str, content: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let size = format!("{:011o}\0", content.len());
    let mut checksum = *b"        ";
    let mut header = Vec::new();
    for _ in 0..2 {
        // the checksum is over the header with eight spaces in the checksum's place
        header.clear();
        header.extend_from_slice(name.as_bytes());
        header.resize(100, 0);
        header.extend_from_slice(b"0000644\x000000000\x000000000\0");
        header.extend_from_slice(size.as_bytes());
        header.extend_from_slice(b"00000000000\0");
        header.extend_from_slice(&checksum);
        header.push(b'0');
        header.resize(257, 0);
        header.extend_from_slice(b"ustar\x0000");
        header.resize(BLOCK, 0);
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        checksum.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let mut tar = header;
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    tar
}
