//! Heads of HTTP/2 as heads of HTTP/1.1, and back.
//!
//! All rules of the proxy read and write HTTP/1.1 heads. HTTP/2 is translated at the edge: what comes in is written as a message of HTTP/1.1 and read by the
//! same strict parser, so no rule exists twice, and what HTTP/2 could carry but HTTP/1.1 can't (a line break, a colon in a name) has no way through
//! (RFC 9113 §8.2.1, §10.3).

use connectors_core::Origin;
use connectors_http1::{BodyDecoder, Decoded, Field, Framing, HeadError, HeadLimits, HeadWriter, Line, RequestHead, ResponseHead, WriteError, reason_phrase};
use h2::ext::Protocol;
use http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, SEC_WEBSOCKET_KEY, TE};
use http::{Method, Request, Response, StatusCode, Uri, request, response};

use super::websocket;

/// Our own output is only bounded by what it was made from.
const UNBOUNDED: HeadLimits = HeadLimits { max_bytes: u32::MAX as usize, max_lines: usize::MAX };

/// Why a message of HTTP/2 has no equal in HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TranslateError {
    #[error("the request is malformed: {0} (RFC 9113 §8.2.2, §8.3.1)")]
    Malformed(&'static str),
    #[error("of extended CONNECT, only websocket is known here (RFC 8441)")]
    UnknownProtocol,
    #[error("{0}")]
    Head(#[from] HeadError),
    #[error("the head can't be written: {0}")]
    Write(#[from] WriteError),
}

/// How a request that came by HTTP/2 is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Straight from the listener: with Proxy-Authorization it is a forward request for its URL, without one a reverse request for its path.
    Listener,
    /// Inside an intercepted CONNECT: for its URL.
    Tunnel,
}

/// Reads a request into `head`. `ends`: it has no body and no trailers.
///
/// An extended CONNECT (RFC 8441 §5) becomes the upgrade that it stands for.
pub(crate) fn read_request(parts: &request::Parts, ends: bool, place: Place, limits: &HeadLimits, head: &mut RequestHead) -> Result<(), TranslateError> {
    let protocol = parts.extensions.get::<Protocol>();
    let method = match protocol {
        Some(_) if parts.method != Method::CONNECT => return Err(TranslateError::Malformed(":protocol belongs to CONNECT")),
        Some(protocol) if !protocol.as_str().eq_ignore_ascii_case("websocket") => return Err(TranslateError::UnknownProtocol),
        Some(_) => "GET",
        None => parts.method.as_str(),
    };
    let authority = authority(parts)?;
    let mut text = Vec::with_capacity(512);
    let mut writer = HeadWriter::request(&mut text, method, &target(parts, method, authority, place)?)?;
    writer.field("Host", authority.as_bytes())?;
    // A caller needs no key, and one of its own would be a second one.
    let left_out = protocol.map(|_| SEC_WEBSOCKET_KEY);
    write_fields(&parts.headers, left_out.as_ref(), &mut writer)?;
    match protocol {
        Some(_) => {
            writer.field("Connection", b"Upgrade")?.field("Upgrade", b"websocket")?;
            writer.field("Sec-WebSocket-Key", websocket::key().as_bytes())?;
        }
        // What follows a CONNECT is no body.
        None if !ends && parts.method != Method::CONNECT && !parts.headers.contains_key(http::header::CONTENT_LENGTH) => {
            writer.chunked();
        }
        None => {}
    }
    writer.end();
    parse_request(&text, limits, head)?;
    if ends && !matches!(head.framing(), Framing::None | Framing::Length(0)) {
        return Err(TranslateError::Malformed("content-length promises a body, but the request has none"));
    }
    Ok(())
}

/// `:authority`, or Host where it is left out; both must be the same (RFC 9113 §8.3.1).
fn authority(parts: &request::Parts) -> Result<&str, TranslateError> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match hosts.next() {
        Some(host) => Some(host.to_str().map_err(|_| TranslateError::Malformed("the Host is not ASCII"))?),
        None => None,
    };
    if hosts.next().is_some() {
        return Err(TranslateError::Malformed("there are several Hosts"));
    }
    match (parts.uri.authority(), host) {
        (Some(authority), Some(host)) if !authority.as_str().eq_ignore_ascii_case(host) => Err(TranslateError::Malformed(":authority and Host differ")),
        (Some(authority), _) => Ok(authority.as_str()),
        (None, Some(host)) => Ok(host),
        (None, None) => Err(TranslateError::Malformed("there is no :authority")),
    }
}

fn target(parts: &request::Parts, method: &str, authority: &str, place: Place) -> Result<String, TranslateError> {
    if method == "CONNECT" {
        return Ok(authority.to_owned());
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if path == "*" || place == Place::Listener && !parts.headers.contains_key(PROXY_AUTHORIZATION) {
        return Ok(path.to_owned());
    }
    match (parts.uri.scheme_str(), place) {
        (Some(scheme), _) => Ok(format!("{scheme}://{authority}{path}")),
        // h2 keeps no :scheme without an :authority; in a tunnel it is known.
        (None, Place::Tunnel) => Ok(path.to_owned()),
        (None, Place::Listener) => Err(TranslateError::Malformed("there is no :authority")),
    }
}

/// The fields, but for those that are written otherwise. What speaks of a connection has no place in HTTP/2 and would mean something in HTTP/1.1.
fn write_fields(fields: &HeaderMap, left_out: Option<&HeaderName>, writer: &mut HeadWriter<'_>) -> Result<(), TranslateError> {
    for (name, value) in fields.iter().filter(|(name, _)| Some(*name) != left_out) {
        match Field::of(name.as_str().as_bytes()) {
            Field::Host | Field::Cookie => {}
            Field::Connection | Field::KeepAlive | Field::ProxyConnection | Field::TransferEncoding | Field::Upgrade => {
                return Err(TranslateError::Malformed("a field that is for one connection only is in it"));
            }
            _ => {
                writer.field(name.as_str(), value.as_bytes().trim_ascii())?;
            }
        }
    }
    // HTTP/2 may take a Cookie apart, HTTP/1.1 may not (RFC 9113 §8.2.3).
    let cookies: Vec<&[u8]> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if !cookies.is_empty() {
        writer.field("Cookie", cookies.join(&b"; "[..]).trim_ascii())?;
    }
    Ok(())
}

fn parse_request(text: &[u8], limits: &HeadLimits, head: &mut RequestHead) -> Result<(), TranslateError> {
    head.clear();
    match head.parse(text, limits)? {
        Some(_) => Ok(()),
        None => Err(TranslateError::Malformed("the head has no end")),
    }
}

/// A request of ours, written for HTTP/1.1, as HTTP/2 sends it to `origin`.
pub(crate) fn request(text: &[u8], origin: &Origin) -> Result<Request<()>, TranslateError> {
    let mut head = RequestHead::new();
    parse_request(text, &UNBOUNDED, &mut head)?;
    let malformed = |_| TranslateError::Malformed("HTTP/2 can't carry the request's target");
    let uri = Uri::builder().scheme(origin.scheme().as_str()).authority(origin.authority()).path_and_query(head.target()).build();
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method().as_bytes()).map_err(|_| TranslateError::Malformed("HTTP/2 can't carry the request's method"))?;
    *request.uri_mut() = uri.map_err(malformed)?;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = fields(head.lines());
    Ok(request)
}

/// An answer of ours, written for HTTP/1.1, as HTTP/2 sends it.
pub(crate) fn response(text: &[u8]) -> Result<Response<()>, TranslateError> {
    let mut head = ResponseHead::new();
    if head.parse(text, &UNBOUNDED)?.is_none() {
        return Err(TranslateError::Malformed("the head has no end"));
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status()).map_err(|_| TranslateError::Malformed("HTTP/2 can't carry the status"))?;
    *response.version_mut() = http::Version::HTTP_2;
    *response.headers_mut() = fields(head.lines());
    Ok(response)
}

/// The lines that HTTP/2 has too (RFC 9113 §8.2.2).
fn fields<'l>(lines: impl Iterator<Item = Line<'l>>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines {
        match line.field {
            Field::Host | Field::Connection | Field::KeepAlive | Field::ProxyConnection | Field::TransferEncoding | Field::Upgrade => continue,
            Field::Te if !line.value.eq_ignore_ascii_case(b"trailers") => continue,
            _ => {}
        }
        // The parser has let through only what these take.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(line.name().as_bytes()), HeaderValue::from_bytes(line.value)) {
            fields.append(name, value);
        }
    }
    fields
}

/// Reads a tool's answer to a request with that method into `head`. `ends`: it has no body and no trailers.
pub(crate) fn read_response(parts: &response::Parts, ends: bool, method: &str, limits: &HeadLimits, head: &mut ResponseHead) -> Result<(), TranslateError> {
    let mut text = Vec::with_capacity(512);
    let mut writer = HeadWriter::response(&mut text, parts.status.as_u16(), reason_phrase(parts.status.as_u16()).as_bytes())?;
    write_fields(&parts.headers, None, &mut writer)?;
    let bodiless = method == "HEAD" || parts.status.is_informational() || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless && !parts.headers.contains_key(http::header::CONTENT_LENGTH) {
        match ends {
            true => writer.content_length(0),
            false => writer.chunked(),
        };
    }
    writer.end();
    head.clear();
    match head.parse(&text, limits)? {
        Some(_) => Ok(()),
        None => Err(TranslateError::Malformed("the head has no end")),
    }
}

/// Trailers of HTTP/2, read as those of a chunked body.
pub(crate) fn read_trailers(trailers: &HeaderMap) -> Result<BodyDecoder, TranslateError> {
    let mut text = Vec::with_capacity(256);
    let mut writer = HeadWriter::trailers(&mut text);
    for (name, value) in trailers {
        writer.field(name.as_str(), value.as_bytes().trim_ascii())?;
    }
    writer.end();
    let mut body = BodyDecoder::new(Framing::Chunked);
    match body.decode(&text) {
        Ok(Decoded::End { .. }) => Ok(body),
        _ => Err(TranslateError::Malformed("the trailers can't be read")),
    }
}

/// Trailers as HTTP/2 sends them.
pub(crate) fn trailers<'l>(lines: impl Iterator<Item = Line<'l>>) -> HeaderMap {
    let mut trailers = fields(lines);
    trailers.remove(TE);
    trailers
}
