//! A server on this machine that answers as a test tells it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server, and the requests that came.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// How many bytes a request says that its body has.
fn body_length(head: &str) -> usize {
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or_default()
}

impl Scripted {
    /// Answers every request with the status line, headers and body that `answer` makes of its first line.
    pub(crate) async fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 16384];
                let mut length = stream.read(&mut request).await.unwrap_or_default();
                let mut text = String::from_utf8_lossy(&request[..length]).into_owned();
                // A short body may come behind its head.
                while let Some((head, body)) = text.split_once("\r\n\r\n")
                    && body.len() < body_length(head)
                    && length < request.len()
                {
                    length += stream.read(&mut request[length..]).await.unwrap();
                    text = String::from_utf8_lossy(&request[..length]).into_owned();
                }
                let line = text.lines().next().unwrap_or_default().to_owned();
                // Anything else is the beginning of TLS.
                if line.ends_with("HTTP/1.1") {
                    let answer = answer(&line);
                    seen.lock().unwrap().push(text);
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        });
        Self { address, requests }
    }

    /// The first lines of the requests that came.
    pub(crate) fn requests(&self) -> Vec<String> {
        let first = |text: &String| text.lines().next().unwrap_or_default().to_owned();
        self.requests.lock().unwrap().iter().map(first).collect()
    }

    /// The requests that came, with headers and bodies.
    pub(crate) fn full_requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// An answer after which the connection is closed.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
