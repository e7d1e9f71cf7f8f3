//! What can be wrong with a message, and which status and which rule go with it.

use thiserror::Error;

/// Why a head was refused. The connection it came on cannot be used any further: nobody can tell any more where the
/// next message begins.
///
/// The text is for the sender and for logs: it never repeats bytes of the message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HeadError {
    /// The first line isn't `method SP request-target SP HTTP-version`.
    #[error("the request line must be a method, a target and a version with one space between them")]
    RequestLine,
    /// The method isn't a token.
    #[error("the method must be a token")]
    Method,
    /// The request-target has a byte that may not be there raw, or none of the four forms, or one that its method may
    /// not have.
    #[error("the request-target is invalid for this method; percent-encode what a URI may not contain")]
    Target,
    /// A version other than 1.0 and 1.1.
    #[error("only HTTP/1.0 and HTTP/1.1 are understood here")]
    Version,
    /// The first line isn't `HTTP-version SP status-code SP reason`, with a status code from 100 to 599.
    #[error("the status line must be a version, a status code from 100 to 599 and a reason")]
    StatusLine,
    /// More bytes than [`HeadLimits::max_bytes`](crate::HeadLimits::max_bytes).
    #[error("the head is larger than the limit")]
    TooLarge,
    /// More field lines than [`HeadLimits::max_lines`](crate::HeadLimits::max_lines).
    #[error("the head has more field lines than the limit")]
    TooManyLines,
    /// More bytes in Connection fields than [`MAX_CONNECTION_BYTES`](crate::MAX_CONNECTION_BYTES).
    #[error("the Connection field is larger than the limit")]
    ConnectionTooLarge,
    /// A line that ends in LF without CR.
    #[error("a line must end in CR LF, not in LF alone")]
    BareLf,
    /// A CR that isn't followed by LF.
    #[error("a CR must be followed by LF")]
    BareCr,
    /// A line that begins with a blank: the deprecated way to continue the line before.
    #[error("a line must not begin with a blank (folded lines are obsolete)")]
    Fold,
    /// Blanks between a field name and its colon.
    #[error("no blank may stand between a field name and its colon")]
    BlankBeforeColon,
    /// A field line without a colon, or whose name is empty or no token.
    #[error("a field line must begin with a token and a colon")]
    FieldName,
    /// A control character other than HTAB in a field value.
    #[error("a field value must not contain control characters")]
    FieldValue,
    /// HTTP/1.1 without Host.
    #[error("the Host field is missing")]
    MissingHost,
    /// More than one Host.
    #[error("the Host field may be given only once")]
    DuplicateHost,
    /// Host isn't a host name or address with an optional port.
    #[error("the Host field must be a host name or address with an optional port")]
    InvalidHost,
    /// More than one Content-Length, equal or not.
    #[error("the Content-Length field may be given only once")]
    DuplicateContentLength,
    /// Content-Length isn't one decimal number that fits 64 bits.
    #[error("the Content-Length field must be one decimal number")]
    InvalidContentLength,
    /// Both Content-Length and Transfer-Encoding.
    #[error("Content-Length and Transfer-Encoding must not be given together")]
    LengthAndTransferEncoding,
    /// Transfer-Encoding doesn't end in `chunked`, has it twice, or is given twice.
    #[error("the Transfer-Encoding field must be `chunked`")]
    InvalidTransferEncoding,
    /// A well-formed Transfer-Encoding that names another coding before `chunked`.
    #[error("no transfer coding but `chunked` is understood here")]
    UnsupportedTransferCoding,
    /// Transfer-Encoding in an HTTP/1.0 message.
    #[error("Transfer-Encoding must not be used with HTTP/1.0")]
    TransferEncodingInHttp10,
    /// More than one Authorization.
    #[error("the Authorization field may be given only once")]
    DuplicateAuthorization,
    /// More than one Proxy-Authorization.
    #[error("the Proxy-Authorization field may be given only once")]
    DuplicateProxyAuthorization,
    /// A message that cannot have content announces some: a CONNECT request, a 1xx or a 204 response.
    #[error("this message cannot have content, yet announces some")]
    UnexpectedContent,
}

impl HeadError {
    /// The status for the client when this is about its request: 400, 431, 501 or 505. When it is about a tool's
    /// response, the client gets a 502.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge | Self::TooManyLines | Self::ConnectionTooLarge => 431,
            Self::UnsupportedTransferCoding => 501,
            Self::Version => 505,
            Self::RequestLine
            | Self::Method
            | Self::Target
            | Self::StatusLine
            | Self::BareLf
            | Self::BareCr
            | Self::Fold
            | Self::BlankBeforeColon
            | Self::FieldName
            | Self::FieldValue
            | Self::MissingHost
            | Self::DuplicateHost
            | Self::InvalidHost
            | Self::DuplicateContentLength
            | Self::InvalidContentLength
            | Self::LengthAndTransferEncoding
            | Self::InvalidTransferEncoding
            | Self::TransferEncodingInHttp10
            | Self::DuplicateAuthorization
            | Self::DuplicateProxyAuthorization
            | Self::UnexpectedContent => 400,
        }
    }

    /// The rule that was broken, such as `RFC 9112 §6.3`.
    pub fn rfc(&self) -> &'static str {
        match self {
            Self::RequestLine => "RFC 9112 §3",
            Self::Method => "RFC 9110 §9.1",
            Self::Target => "RFC 9112 §3.2",
            Self::Version => "RFC 9110 §15.6.6",
            Self::StatusLine => "RFC 9112 §4",
            Self::TooLarge | Self::TooManyLines | Self::ConnectionTooLarge => "RFC 9110 §5.4",
            Self::BareLf | Self::BareCr => "RFC 9112 §2.2",
            Self::Fold => "RFC 9112 §5.2",
            Self::BlankBeforeColon => "RFC 9112 §5.1",
            Self::FieldName => "RFC 9110 §5.1",
            Self::FieldValue => "RFC 9110 §5.5",
            Self::MissingHost | Self::DuplicateHost | Self::InvalidHost => "RFC 9112 §3.2",
            Self::DuplicateContentLength | Self::LengthAndTransferEncoding => "RFC 9112 §6.3",
            Self::InvalidContentLength => "RFC 9110 §8.6",
            Self::InvalidTransferEncoding => "RFC 9112 §6.3",
            Self::UnsupportedTransferCoding | Self::TransferEncodingInHttp10 => "RFC 9112 §6.1",
            Self::DuplicateAuthorization => "RFC 9110 §11.6.2",
            Self::DuplicateProxyAuthorization => "RFC 9110 §11.7.2",
            Self::UnexpectedContent => "RFC 9112 §6.3",
        }
    }
}

/// Why a body was refused. As with [`HeadError`], the connection cannot be used any further.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// A chunk size that isn't 1 to 16 hexadecimal digits followed by CR LF or an extension.
    #[error("a chunk size must be 1 to 16 hexadecimal digits, followed by CR LF")]
    ChunkSize,
    /// A chunk extension without a name, or with a control character in it.
    #[error("a chunk extension is invalid")]
    ChunkExtension,
    /// More than [`MAX_EXTENSION_BYTES`](crate::MAX_EXTENSION_BYTES) of extensions in one body.
    #[error("the chunk extensions are larger than the limit")]
    ExtensionsTooLarge,
    /// Chunk data that isn't followed by CR LF.
    #[error("the data of a chunk must be followed by CR LF")]
    ChunkEnd,
    /// A trailer line that isn't a valid field line.
    #[error("a trailer line is invalid")]
    Trailer(#[source] HeadError),
    /// A field that has no business in a trailer: framing, routing, credentials, or anything else whose meaning
    /// would come too late.
    #[error("a field that is not allowed in a trailer")]
    TrailerField,
    /// Trailers beyond [`TRAILER_LIMITS`](crate::TRAILER_LIMITS).
    #[error("the trailers are larger than the limit")]
    TrailersTooLarge,
    /// The connection ended before the body did.
    #[error("the connection ended before the body did")]
    Truncated,
}

impl BodyError {
    /// The status for the client when this is about the body of its request: 400, or 431 for oversized trailers.
    /// When it is about a tool's response, the client gets a 502 if nothing was sent yet, else a closed connection.
    pub fn status(&self) -> u16 {
        match self {
            Self::TrailersTooLarge => 431,
            Self::ChunkSize | Self::ChunkExtension | Self::ExtensionsTooLarge | Self::ChunkEnd | Self::Trailer(_) | Self::TrailerField | Self::Truncated => 400,
        }
    }

    /// The rule that was broken, such as `RFC 9112 §7.1`.
    pub fn rfc(&self) -> &'static str {
        match self {
            Self::ChunkSize | Self::ChunkEnd => "RFC 9112 §7.1",
            Self::ChunkExtension | Self::ExtensionsTooLarge => "RFC 9112 §7.1.1",
            Self::Trailer(_) => "RFC 9112 §7.1.2",
            Self::TrailerField => "RFC 9110 §6.5.1",
            Self::TrailersTooLarge => "RFC 9110 §5.4",
            Self::Truncated => "RFC 9112 §8",
        }
    }
}

/// Why a head was not written. Each of these would have let whoever chose the text add lines of their own.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    /// The method isn't a token.
    #[error("the method to write is not a token")]
    Method,
    /// The request-target is empty or has a byte that may not be there.
    #[error("the request-target to write is empty or has a forbidden byte")]
    Target,
    /// The status is outside 100 to 599, or the reason has a control character.
    #[error("the status line to write is invalid")]
    StatusLine,
    /// The field name isn't a token.
    #[error("the field name to write is not a token")]
    FieldName,
    /// The field value has a control character, or a blank at its beginning or end.
    #[error("the field value to write has a control character or a blank around it")]
    FieldValue,
}
