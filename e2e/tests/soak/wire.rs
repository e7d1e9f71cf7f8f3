//! HTTP/1.1 as both sides of the soak read it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Reads messages from a connection.
pub(super) struct Reader<R> {
    from: R,
    input: Vec<u8>,
    /// Pauses between reads.
    pub(super) slowly: Option<std::time::Duration>,
}

/// What is known of a message before its body.
pub(super) struct Head {
    pub(super) text: String,
}

impl Head {
    /// The value of a field, which is named in small letters.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The status of an answer, or the target of a request.
    pub(super) fn second_word(&self) -> &str {
        self.text.split(' ').nth(1).unwrap_or_default()
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, input: Vec::new(), slowly: None }
    }

    /// The connection, for what isn't read by this.
    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.from
    }

    /// Reads a head; `None` if the connection ends before.
    pub(super) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.input, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.take(end + 4)).into_owned();
                return Ok(Some(Head { text }));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// Reads a body. `ends_with_connection`: without a length, and without chunks, it goes on to the end.
    pub(super) async fn body(&mut self, head: &Head, ends_with_connection: bool) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if head.field("transfer-encoding").is_some() {
            loop {
                let size = self.line().await?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).map_err(|_| io::Error::other("no chunk"))?;
                body.extend(self.exactly(size).await?);
                if !self.line().await?.is_empty() {
                    return Err(io::Error::other("no end of a chunk"));
                }
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        if let Some(length) = head.field("content-length") {
            return self.exactly(length.parse().map_err(|_| io::Error::other("no length"))?).await;
        }
        if ends_with_connection {
            while self.more().await? {}
            body = std::mem::take(&mut self.input);
        }
        Ok(body)
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.input, b"\r\n") {
                let line = self.take(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.must_more().await?;
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < length {
            self.must_more().await?;
        }
        Ok(self.take(length))
    }

    async fn must_more(&mut self) -> io::Result<()> {
        if self.more().await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    async fn more(&mut self) -> io::Result<bool> {
        if let Some(pause) = self.slowly {
            tokio::time::sleep(pause).await;
        }
        Ok(self.from.read_buf(&mut self.input).await? > 0)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.input.split_off(length);
        std::mem::replace(&mut self.input, rest)
    }
}
