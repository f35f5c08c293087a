//! A server for one test, and a client that sends what no HTTP library would.

use std::sync::Arc;
use std::time::Duration;

use bulla_server::clock::SystemClock;
use bulla_server::config::Config;
use bulla_server::{Listeners, StartError};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a test waits for an answer before it fails.
const LONGEST: Duration = Duration::from_secs(120);

/// The boundary of every multipart body here.
pub(crate) const BOUNDARY: &str = "test-boundary";

pub(crate) struct Server {
    pub(crate) port: u16,
    /// Where `metrics.http_addr` is set.
    pub(crate) metrics_port: Option<u16>,
    /// Where `console.http_addr` is set.
    console_port: Option<u16>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), StartError>>,
    _folder: TempDir,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, without `date`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// Starts with keys and metadata in memory and no authentication.
    pub(crate) async fn start() -> Self {
        Self::start_with(json!({}), &[]).await
    }

    /// The same, with `sections` laid over the configuration and these files beside it.
    pub(crate) async fn start_with(sections: Value, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let config = load(&folder, sections);
        let listeners = Listeners::bind(&config).await.unwrap();
        let port_of = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let (port, metrics_port) = (port_of(&listeners.public), listeners.metrics.as_ref().map(port_of));
        let console_port = listeners.console.as_ref().map(port_of);
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let running = tokio::spawn(bulla_server::run(config, listeners, Arc::new(SystemClock), shutdown));
        Self { port, metrics_port, console_port, stop: Some(stop), running, _folder: folder }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[]).await
    }

    /// Asks at the address of metrics.
    pub(crate) async fn watch(&self, method: &str, path: &str) -> Answer {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        exchange(self.connect_to_watch().await, head.as_bytes()).await
    }

    /// Asks at the address of the console.
    pub(crate) async fn visit(&self, method: &str, path: &str, authorization: &str) -> Answer {
        let given =
            if authorization.is_empty() { String::new() } else { format!("Authorization: {authorization}\r\n") };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{given}\r\n");
        let stream = TcpStream::connect(("127.0.0.1", self.console_port.unwrap())).await.unwrap();
        exchange(stream, head.as_bytes()).await
    }

    /// A connection to the address of metrics.
    pub(crate) async fn connect_to_watch(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.metrics_port.unwrap())).await.unwrap()
    }

    pub(crate) async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        self.send(format!("{head}\r\n").as_bytes()).await
    }

    /// Posts a multipart body to a repository.
    pub(crate) async fn post(&self, gun: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Posts a body with this `Content-Encoding` to a repository.
    pub(crate) async fn post_coded(&self, gun: &str, coding: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Encoding: {coding}\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Sends `bytes` on a new connection and reads the answer.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Answer {
        self.send_from(1, bytes).await
    }

    /// The same, as the client at the address 127.0.0.`client`.
    pub(crate) async fn send_from(&self, client: u8, bytes: &[u8]) -> Answer {
        exchange(self.connect_from(client).await, bytes).await
    }

    /// A connection of the client at the address 127.0.0.`client`.
    pub(crate) async fn connect_from(&self, client: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, client], 0).into()).unwrap();
        socket.connect(([127, 0, 0, 1], self.port).into()).await.unwrap()
    }

    /// Asks the server to stop, and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.stop.take();
        self.ended().await.unwrap();
    }

    /// Asks the server to stop; its end is for [`Self::ended`].
    pub(crate) fn begin_to_stop(&mut self) {
        self.stop.take();
    }

    pub(crate) async fn ended(self) -> Result<(), StartError> {
        tokio::time::timeout(LONGEST, self.running).await.unwrap().unwrap()
    }
}

/// The configuration in `folder`, with `sections` laid over the usual ones.
pub(crate) fn load(folder: &TempDir, sections: Value) -> Config {
    let mut config = json!({
        "server": {"http_addr": "127.0.0.1:0"},
        "trust_service": {"type": "local"},
        "storage": {"backend": "memory"},
    });
    for (name, section) in sections.as_object().unwrap() {
        config[name] = section.clone();
    }
    let path = folder.path().join("server.json");
    std::fs::write(&path, config.to_string()).unwrap();
    Config::load(&path, []).unwrap().0
}

/// Sends `bytes` and reads up to the end of the connection. The server may answer before it has read everything.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite>(stream: S, bytes: &[u8]) -> Answer {
    let (mut from, mut to) = tokio::io::split(stream);
    let write = async {
        let _refused_early = to.write_all(bytes).await;
        let _flushed = to.flush().await;
    };
    let mut answer = Vec::new();
    let both = async { tokio::join!(write, from.read_to_end(&mut answer)) };
    let ((), read) = tokio::time::timeout(LONGEST, both).await.unwrap();
    assert!(!answer.is_empty(), "no answer: {read:?}");
    Answer::parse(&answer)
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the one error in the body.
    pub(crate) fn code(&self) -> String {
        let document = self.json();
        let errors = document["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{document}");
        assert!(self.body.len() <= 1000, "clients read no more");
        errors[0]["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn detail(&self) -> Value {
        self.json()["errors"][0]["detail"].clone()
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
    }
}

/// A multipart body as the reference's client writes it.
pub(crate) fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (role, content) in parts {
        body.extend(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            )
            .into_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    body
}
