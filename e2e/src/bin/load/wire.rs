//! HTTP/1.1 over one kept connection, so thin that what is measured is the server.
//!
//! Clients and services share the machine: each microsecond that a client takes is missing where it
//! is measured.

use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(60);
/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A request with its body.
pub(crate) fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Host and port of an `http://` URL.
pub(crate) fn address(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(CHUNK) })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        timeout(LIMIT, self.answer(request)).await.context("no answer")?
    }

    async fn answer(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request).await?;
        let (status, body_at, length) = loop {
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
            self.read().await?;
        };
        while self.buffer.len() < body_at + length {
            self.read().await?;
        }
        let rest = self.buffer.split_off(body_at + length);
        let body = std::mem::replace(&mut self.buffer, rest).split_off(body_at);
        Ok(Answer { status, body })
    }

    /// Sends a request whose answer is read by [`Self::drain`].
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request).await?)
    }

    async fn read(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(count > 0, "the server closed the connection");
        Ok(())
    }

    /// Reads and forgets what comes until the connection ends. Returns how much that was.
    pub(crate) async fn drain(mut self) -> u64 {
        let mut all = 0;
        while let Ok(()) = self.read().await {
            all += self.buffer.len() as u64;
            self.buffer.clear();
        }
        all
    }

    /// Reads until something has come.
    pub(crate) async fn first_bytes(&mut self) -> Result<()> {
        timeout(LIMIT, self.read()).await.context("no answer")?
    }
}

/// Status, where the body begins, and its length, once the head is complete.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end]).context("read the head")?;
    let status = text.split(' ').nth(1).context("a status line")?.parse()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok(Some((status, end + 4, length.context("an answer without a length")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(head(answer).expect("read"), Some((202, 44, 2)));
        assert_eq!(head(&answer[..30]).expect("read"), None);
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
