//! One HTTP/1.1 request and its answer, on a connection of its own.

use std::io;
use std::net::IpAddr;

use connectors_core::{Origin, SecretValue, TrustRoots};
use connectors_http1::{BodyDecoder, BodyError, Decoded, HeadError, HeadLimits, HeadWriter, ResponseHead, WriteError};
use connectors_net::{Alpn, DialError, Dialer, Reach, Stream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

/// How much of the body of a tool's answer is read; what comes after it is as if it weren't there.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Interim answers (1xx) that are passed over.
const MAX_INTERIM: usize = 8;
/// Some tools refuse requests that don't say whose they are.
const USER_AGENT: &str = concat!("connectors/", env!("CARGO_PKG_VERSION"));

/// A request without a body.
pub(crate) struct Wanted<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) reach: Reach,
    pub(crate) trust: &'a TrustRoots,
    pub(crate) method: &'static str,
    pub(crate) target: &'a [u8],
    pub(crate) headers: &'a [(String, SecretValue)],
    /// How much of the answer's body is wanted, if any.
    pub(crate) body: Option<usize>,
    /// Whether a redirect is followed, so that nobody looks at its body.
    pub(crate) follow: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Got {
    /// Status, 200 to 599.
    pub status: u16,
    /// Names and values in their order.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, as much of it as was asked for.
    pub body: Vec<u8>,
    /// Who has answered.
    pub peer: IpAddr,
}

impl Got {
    /// Where it redirects to, if it does.
    pub(crate) fn location(&self) -> Option<&[u8]> {
        matches!(self.status, 301..=303 | 307 | 308).then_some(())?;
        self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"location")).map(|(_, value)| value.as_slice())
    }
}

/// Why there is no answer. The whole chain can name addresses of the operator's network.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no connection.
    #[error("there is no connection")]
    Dial(#[source] DialError),
    /// What was rendered can't be sent.
    #[error("the request can't be sent")]
    Write(#[source] WriteError),
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// The answer's head is none.
    #[error("the answer is not valid HTTP")]
    Head(#[source] HeadError),
    /// The answer's body is none.
    #[error("the answer's body is not valid HTTP")]
    Body(#[source] BodyError),
    /// An answer that nobody asked for.
    #[error("the answer switches protocols, or never comes to an end of interim answers")]
    Interim,
}

impl Failure {
    /// In words for whoever may read the Connector: without addresses, which are the operator's, and without words of the tool's, which may be anybody's.
    pub fn public(&self) -> String {
        match self {
            Self::Dial(DialError::Tls(error)) => format!("there is no TLS connection: {}", error.category()),
            Self::Dial(DialError::Connect(error)) => format!("no connection can be made: {}", error.source.kind()),
            Self::Dial(DialError::Denied(_)) => "the host leads to an address that may not be reached (--allow-address)".into(),
            Self::Dial(error) => error.to_string(),
            Self::Io(error) => format!("the connection broke: {}", error.kind()),
            Self::Head(error) => format!("{self}: {error}"),
            Self::Body(error) => format!("{self}: {error}"),
            Self::Write(error) => format!("{self}: {error}"),
            Self::Interim => self.to_string(),
        }
    }
}

/// Sends a request and reads the answer. Takes as long as the other side lets it.
pub(crate) async fn exchange(dialer: &Dialer, wanted: &Wanted<'_>) -> Result<Got, Failure> {
    // Written before there is a connection, so that nobody is called for what can't be said. Wiped, since it has the credential.
    // Large enough from the start, so that growing leaves no copy behind.
    let given: usize = wanted.headers.iter().map(|(name, value)| name.len() + value.expose().len() + 4).sum();
    let mut request = Zeroizing::new(Vec::with_capacity(1024 + wanted.target.len() + given));
    write(&mut request, wanted).map_err(Failure::Write)?;
    let connected = dialer.connect(wanted.origin, wanted.trust, wanted.reach, Alpn::Http1).await.map_err(Failure::Dial)?;
    let mut stream = connected.stream;
    stream.write_all(&request).await.map_err(Failure::Io)?;
    stream.flush().await.map_err(Failure::Io)?;
    let got = read(&mut stream, connected.peer.ip(), wanted).await?;
    // Nobody waits for what is still to come.
    drop(stream);
    Ok(got)
}

fn write(out: &mut Vec<u8>, wanted: &Wanted<'_>) -> Result<(), WriteError> {
    let mut writer = HeadWriter::request_to(out, wanted.method, |out| out.extend_from_slice(wanted.target))?;
    writer.field("Host", wanted.origin.authority().as_bytes())?;
    writer.field("Connection", b"close")?;
    let given = |name: &str| wanted.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    if !given("User-Agent") {
        writer.field("User-Agent", USER_AGENT.as_bytes())?;
    }
    if !given("Accept") {
        writer.field("Accept", b"*/*")?;
    }
    for (name, value) in wanted.headers {
        writer.field(name, value.expose())?;
    }
    if wanted.method != "GET" {
        writer.content_length(0);
    }
    writer.end();
    Ok(())
}

async fn read(stream: &mut Stream, peer: IpAddr, wanted: &Wanted<'_>) -> Result<Got, Failure> {
    let mut input = Vec::with_capacity(8192);
    let mut head = ResponseHead::new();
    let mut interim = 0;
    loop {
        match head.parse(&input, &HeadLimits::default()).map_err(Failure::Head)? {
            Some(consumed) => {
                input.drain(..consumed);
                match head.status() {
                    101 => return Err(Failure::Interim),
                    100..=199 if interim == MAX_INTERIM => return Err(Failure::Interim),
                    100..=199 => interim += 1,
                    _ => break,
                }
                head.clear();
            }
            None if read_more(stream, &mut input).await? == 0 => return Err(Failure::Io(io::ErrorKind::UnexpectedEof.into())),
            None => {}
        }
    }
    let headers = head.lines().map(|line| (line.name_bytes().to_vec(), line.value.to_vec())).collect();
    let mut got = Got { status: head.status(), headers, body: Vec::new(), peer };
    let leads_on = wanted.follow && got.location().is_some();
    if let Some(most) = wanted.body.filter(|_| !leads_on) {
        let decoder = BodyDecoder::new(head.framing(wanted.method).map_err(Failure::Head)?);
        got.body = read_body(stream, input, decoder, most).await?;
    }
    Ok(got)
}

/// `input` was read already.
async fn read_body(stream: &mut (impl AsyncRead + Unpin), mut input: Vec<u8>, mut decoder: BodyDecoder, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    // How much of the input is done with. Taking that out each time would cost the square of the input where chunks are small.
    let mut at = 0;
    loop {
        match decoder.decode(input.get(at..).unwrap_or_default()).map_err(Failure::Body)? {
            Decoded::Data { skip, len } => {
                let room = most - body.len();
                body.extend_from_slice(input.get(at + skip..at + skip + len.min(room)).unwrap_or_default());
                at += skip + len;
                if body.len() == most {
                    return Ok(body);
                }
            }
            // That is all of the input.
            Decoded::NeedMore { .. } => {
                input.clear();
                at = 0;
                if read_more(stream, &mut input).await? == 0 {
                    return decoder.eof().map(|()| body).map_err(Failure::Body);
                }
            }
            Decoded::End { .. } => return Ok(body),
        }
    }
}

async fn read_more(stream: &mut (impl AsyncRead + Unpin), input: &mut Vec<u8>) -> Result<usize, Failure> {
    match stream.read_buf(input).await {
        Ok(count) => Ok(count),
        // Many end a TLS connection without saying so; whether something is missing is known from the framing.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        Err(error) => Err(Failure::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use connectors_http1::ResponseFraming;

    use super::*;

    #[test]
    fn p31_chunks_of_one_byte_cost_no_more_than_they_are() {
        const CHUNKS: usize = 600_000;
        let mut input = b"1\r\nx\r\n".repeat(CHUNKS);
        input.extend_from_slice(b"0\r\n\r\n");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let began = Instant::now();
        let body = runtime.block_on(read_body(&mut tokio::io::empty(), input, BodyDecoder::new(ResponseFraming::Chunked), MAX_BODY_BYTES)).unwrap();
        assert_eq!(body.len(), CHUNKS);
        // Some tenths of a second; with the square of it, about half a minute.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
