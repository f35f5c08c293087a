//! The recorded exchanges as they lie in the fixtures.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pem::Pem;
use serde_json::Value;

use super::answers::Answer;

/// A recorded request, and what the reference answered.
pub(super) struct Capture {
    /// Folder and file, without suffix.
    pub(super) name: String,
    pub(super) request: Vec<u8>,
    /// None if the reference closed the connection.
    pub(super) answer: Option<Answer>,
}

impl Capture {
    fn read(name: String, content: &[u8]) -> Self {
        const BETWEEN: &[u8] = b"\n<<< RESPONSE\n";
        let content = content.strip_prefix(b">>> REQUEST\n").unwrap();
        let at = content.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN).unwrap();
        let (request, answer) = (&content[..at], &content[at + BETWEEN.len()..]);
        Self { name, request: request.to_vec(), answer: Answer::parse(answer.strip_suffix(b"\n").unwrap_or(answer)) }
    }

    /// Its place among the captures of its folder.
    pub(super) fn number(&self) -> u32 {
        self.name.rsplit('/').next().unwrap()[..3].parse().unwrap()
    }

    /// Whether the client asked for a token, and not the server.
    pub(super) fn is_of_the_token_service(&self) -> bool {
        self.name.ends_with("-token")
    }

    /// The repository of a path under it, and the rest of that path.
    pub(super) fn subject(&self) -> Option<(String, String)> {
        let line = String::from_utf8_lossy(self.request.split(|byte| *byte == b'\r').next()?).into_owned();
        let path = line.split(' ').nth(1)?.strip_prefix("/v2/")?.to_owned();
        let (gun, rest) = path.split_once("/_trust/tuf/")?;
        Some((gun.to_owned(), rest.to_owned()))
    }

    /// The same with a token that grants what is asked for: the recorded ones were taken out.
    pub(super) fn with_token(self) -> Self {
        let placeholder = b"<TOKEN>";
        let Some(at) = self.request.windows(placeholder.len()).position(|bytes| bytes == placeholder) else {
            return self;
        };
        let token = super::state::token(&self.subject().unwrap().0);
        let request = [&self.request[..at], token.as_bytes(), &self.request[at + placeholder.len()..]].concat();
        Self { request, ..self }
    }
}

/// The captures of a folder, in the order in which they were recorded.
pub(super) fn folder(name: &str) -> Vec<Capture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|suffix| suffix == "http"));
    files.sort();
    let read = |file: PathBuf| {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        Capture::read(format!("{name}/{stem}"), &std::fs::read(&file).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// Whether a request promises more than it holds.
pub(super) fn is_cut(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return true };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| length > request.len() - end - 4)
}

/// The certificates that tokens must lead to: the one whose key signed the recorded tokens, and ours.
pub(super) fn token_certificate() -> String {
    let tokens = folder("http").into_iter().find(|capture| capture.name.ends_with("223-auth-pull-ok")).unwrap();
    let text = String::from_utf8(tokens.request).unwrap();
    let header = text.split_once("Bearer ").unwrap().1.split_once('.').unwrap().0;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let recorded = STANDARD.decode(header["x5c"][0].as_str().unwrap()).unwrap();
    pem::encode(&Pem::new("CERTIFICATE", recorded)) + &super::state::token_service().1
}
