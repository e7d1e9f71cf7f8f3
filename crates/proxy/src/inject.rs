//! The request as the tool gets it: strip, then apply.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use connectors_core::{Credential, Headers, InjectedParameter, Origin, PathPrefix, RequestPath, SecretRef};
use connectors_http1::{Field, FieldName, Framing, HeadWriter, Line, PreparedField, RequestHead, WriteError};
use memchr::memmem;
use percent_encoding::percent_decode_str;

use crate::client::{VIA_HTTP1, VIA_HTTP2};
use crate::identify;

const HOST: FieldName = FieldName::new("Host");
pub(crate) const UPGRADE: FieldName = FieldName::new("Upgrade");
const X_FORWARDED_HOST: FieldName = FieldName::new("X-Forwarded-Host");
static FROM_HTTP: PreparedField = PreparedField::constant("X-Forwarded-Proto: http\r\n");
static FROM_HTTPS: PreparedField = PreparedField::constant("X-Forwarded-Proto: https\r\n");
pub(crate) static CONNECTION_UPGRADE: PreparedField = PreparedField::constant("Connection: Upgrade\r\n");
static CONNECTION_TE: PreparedField = PreparedField::constant("Connection: TE\r\n");
static EXPECT_CONTINUE: PreparedField = PreparedField::constant("Expect: 100-continue\r\n");
static TE_TRAILERS: PreparedField = PreparedField::constant("TE: trailers\r\n");

/// What decides how a request goes on.
pub(crate) struct Outgoing<'a> {
    /// The request as it came.
    pub(crate) head: &'a RequestHead,
    /// Where it goes.
    pub(crate) origin: &'a Origin,
    /// Put in front of the path: the target's prefix in reverse mode, where the caller doesn't write it.
    pub(crate) prefix: Option<&'a PathPrefix>,
    /// Path and query.
    pub(crate) path: RequestPath<'a>,
    /// Whether it is aimed at a Connector's target, where a caller's Authorization is always removed.
    pub(crate) at_target: bool,
    /// What to put on; only a permit gives one.
    pub(crate) credential: Option<&'a Credential>,
    /// The body to send instead of the caller's, which was read before.
    pub(crate) body: Option<&'a Bytes>,
    /// The caller's own token, which must not go on anywhere.
    pub(crate) token: SecretRef<'a>,
    /// The caller's address, in X-Forwarded-For.
    pub(crate) client: &'a PreparedField,
    /// The proxy's host as the caller wrote it in reverse mode; else `None`, which means the URL's own, whatever Host said.
    pub(crate) client_host: Option<&'a str>,
    /// Whether the caller sees https, and not http.
    pub(crate) client_tls: bool,
    /// The protocol that the caller wants to switch to, if it may.
    pub(crate) upgrade: Option<&'a [u8]>,
    /// Whether the caller speaks HTTP/2.
    pub(crate) client_http2: bool,
}

impl Outgoing<'_> {
    /// How the body is framed that goes to the tool.
    pub(crate) fn framing(&self) -> Framing {
        self.body.map_or_else(|| self.head.framing(), |body| Framing::Length(body.len() as u64))
    }
}

/// The protocol that a request asks to switch to, if it is one that is passed through: WebSocket (RFC 6455), and SPDY, in which `kubectl exec` and
/// `port-forward` speak.
///
/// All others are left out of the request, which the tool then answers without switching, as it may (RFC 9110 §7.8): `h2c` would take the requests that
/// follow past every check.
pub(crate) fn upgrade(head: &RequestHead) -> Option<&[u8]> {
    let protocol = head.upgrade().filter(|protocol| protocol.eq_ignore_ascii_case(b"websocket") || protocol.eq_ignore_ascii_case(b"SPDY/3.1"))?;
    // Of a body nobody could say whether it belongs to the request or to the new protocol.
    let one = head.values("Upgrade").count() == 1 && matches!(head.framing(), Framing::None | Framing::Length(0));
    one.then_some(protocol)
}

/// Whether the caller may already have sent what belongs to another protocol, and what follows the request can't be told from a next one unless the tool
/// switches to it. `h2c` is offered by clients that go on with HTTP/1.1 as well, and never send anything ahead (RFC 7540 §3.2).
pub(crate) fn may_send_ahead(head: &RequestHead) -> bool {
    head.upgrade().is_some_and(|protocol| !protocol.eq_ignore_ascii_case(b"h2c"))
}

/// Writes the head.
///
/// # Errors
/// Only what was checked before could make the writer refuse a line, so an error means a mistake here; nothing is sent then.
pub(crate) fn write(outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let head = outgoing.head;
    let mut writer = HeadWriter::request_to(out, head.method(), |out| request_target(outgoing, out))?;
    let authority = outgoing.origin.authority();
    writer.named(HOST, authority.as_bytes())?;
    let (mut trailers, mut host) = (false, None);
    for line in head.lines() {
        if line.field == Field::Host {
            host = Some(line);
            continue;
        }
        if line.field == Field::Te {
            trailers |= line.value.split(|b| *b == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
        }
        if !stays(outgoing, &line) {
            continue;
        }
        match without_bearer(outgoing, &line) {
            None => {
                writer.line(&line);
            }
            Some(rest) if rest.is_empty() => {}
            Some(rest) => {
                writer.field(line.name(), &rest)?;
            }
        }
    }
    match outgoing.framing() {
        Framing::None => {}
        Framing::Length(length) => {
            writer.content_length(length);
        }
        Framing::Chunked => {
            writer.chunked();
        }
    }
    if head.expects_continue() && outgoing.body.is_none() {
        writer.prepared(&EXPECT_CONTINUE);
    }
    if let Some(protocol) = outgoing.upgrade {
        writer.prepared(&CONNECTION_UPGRADE).named(UPGRADE, protocol)?;
    } else if trailers {
        writer.prepared(&TE_TRAILERS).prepared(&CONNECTION_TE);
    }
    writer.prepared(outgoing.client);
    writer.prepared(if outgoing.client_tls { &FROM_HTTPS } else { &FROM_HTTP });
    let client_host = outgoing.client_host.unwrap_or(authority);
    match host {
        // Nearly always, and then it was checked when it came.
        Some(line) if line.value == client_host.as_bytes() && !client_host.is_empty() => {
            writer.named_as(X_FORWARDED_HOST, &line);
        }
        _ if client_host.is_empty() => {}
        _ => {
            writer.named(X_FORWARDED_HOST, client_host.as_bytes())?;
        }
    }
    writer.prepared(if outgoing.client_http2 { &VIA_HTTP2 } else { &VIA_HTTP1 });
    writer.end();
    apply(outgoing.credential, out);
    Ok(())
}

/// Puts the prepared lines in front of the empty line that ends the head.
fn apply(credential: Option<&Credential>, out: &mut Vec<u8>) {
    let Some(credential) = credential else { return };
    out.truncate(out.len() - b"\r\n".len());
    for header in &credential.headers {
        out.extend_from_slice(header.line().expose());
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a line of the caller's goes on to the tool.
fn stays(outgoing: &Outgoing<'_>, line: &Line<'_>) -> bool {
    let value = line.value;
    match line.field {
        // Written anew, or meant for this hop only (RFC 9110 §7.6.1).
        Field::Host
        | Field::ContentLength
        | Field::TransferEncoding
        | Field::Expect
        | Field::Connection
        | Field::KeepAlive
        | Field::ProxyConnection
        | Field::Te
        | Field::Upgrade
        | Field::XForwardedFor
        | Field::XForwardedHost
        | Field::XForwardedProto
        | Field::XForwardedOther
        | Field::Forwarded
        | Field::Via => false,
        // Ours to read, nobody else's; and what some servers can't tell from it.
        Field::ProxyAuthorization | Field::ProxyAuthenticate | Field::ProxyAuthenticationInfo | Field::ProxyOther | Field::XPlugin | Field::Alias => false,
        Field::Authorization if outgoing.at_target => false,
        Field::Authorization => {
            !holds_token(value, outgoing.token) && !identify::basic_password(value).is_some_and(|password| holds_token(password.expose(), outgoing.token))
        }
        // A body that was read before goes on without them.
        _ if outgoing.body.is_some() && line.is_named("Trailer") => false,
        // Belongs to h2c, whether or not Connection says so.
        _ if line.is_named("HTTP2-Settings") => false,
        _ => !outgoing.head.connection_lists(line) && !holds_token(value, outgoing.token) && !is_replaced(outgoing.credential, line.name_bytes()),
    }
}

/// If the line is a list of WebSocket protocols with a token among them, the list without it.
///
/// Browsers can set no Authorization on a WebSocket, so Kubernetes takes a bearer token, in base64url, as the name of a protocol. It is the caller's
/// Authorization in another place, and is treated alike.
fn without_bearer(outgoing: &Outgoing<'_>, line: &Line<'_>) -> Option<Vec<u8>> {
    const BEARER: &[u8] = b"base64url.bearer.authorization.k8s.io.";
    if !line.is_named("Sec-WebSocket-Protocol") {
        return None;
    }
    let goes = |protocol: &[u8]| match protocol.split_at_checked(BEARER.len()) {
        Some((prefix, encoded)) if prefix.eq_ignore_ascii_case(BEARER) => {
            // What can't be read can't be known to be harmless.
            outgoing.at_target || URL_SAFE_NO_PAD.decode(encoded.trim_ascii_end()).map_or(true, |value| holds_token(&value, outgoing.token))
        }
        _ => false,
    };
    let protocols = || line.value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    protocols().any(goes).then(|| protocols().filter(|protocol| !goes(protocol)).collect::<Vec<_>>().join(&b", "[..]))
}

/// Whether a trailer of the caller's goes on to the tool.
pub(crate) fn trailer_stays(outgoing: &Outgoing<'_>, line: &Line<'_>) -> bool {
    stays(outgoing, line)
}

/// Whether a header of that name, or one that a CGI-like server takes for it, is about to be set.
fn is_replaced(credential: Option<&Credential>, name: &[u8]) -> bool {
    credential.is_some_and(|credential| credential.headers.iter().any(|header| same_name(header.name().as_bytes(), name)))
}

/// Equal but for case and for what stands between the words: `_` becomes `-` on the way through CGI, WSGI and the like.
fn same_name(a: &[u8], b: &[u8]) -> bool {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    a.len() == b.len() && a.iter().map(fold).eq(b.iter().map(fold))
}

fn holds_token(value: &[u8], token: SecretRef<'_>) -> bool {
    let token = token.expose();
    value.len() >= token.len() && memmem::find(value, token).is_some()
}

/// Whether a token that a class's rule has found is taken off on the way to the tool: it stands in a header or in the query, as it is or in a Basic Authorization, and not
/// in the path, which can't do without it.
pub(crate) fn can_be_taken_off(head: &RequestHead, path: &RequestPath<'_>, token: SecretRef<'_>) -> bool {
    let decoded_holds = |text: &str| holds_token(&Cow::from(percent_decode_str(text)), token);
    let in_line = |line: Line<'_>| {
        holds_token(line.value, token)
            || line.field == Field::Authorization && identify::basic_password(line.value).is_some_and(|password| holds_token(password.expose(), token))
    };
    !decoded_holds(path.path()) && (path.query().is_some_and(decoded_holds) || head.lines().any(in_line))
}

/// The caller's header lines that go on to the tool.
pub(crate) struct Kept<'a>(pub(crate) &'a Outgoing<'a>);

impl Headers for Kept<'_> {
    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        for line in self.0.head.lines().filter(|line| stays(self.0, line)) {
            match without_bearer(self.0, &line) {
                None => visit(line.name_bytes(), line.value),
                Some(rest) if rest.is_empty() => {}
                Some(rest) => visit(line.name_bytes(), &rest),
            }
        }
    }
}

/// Prefix, path, and the query without any parameter that holds the caller's token; then those of the credential, instead of all that the query has of their names.
pub(crate) fn request_target(outgoing: &Outgoing<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(outgoing.prefix.map_or("", |prefix| prefix.as_str()).as_bytes());
    out.extend_from_slice(outgoing.path.path().as_bytes());
    let set = outgoing.credential.map_or(&[][..], |credential| &credential.query);
    if let Some(query) = outgoing.path.query() {
        out.push(b'?');
        // Shorter than the token, it can't hold it in any encoding.
        let holds = |text: &str| text.len() >= outgoing.token.expose().len() && holds_token(&Cow::from(percent_decode_str(text)), outgoing.token);
        if holds(query) || !set.is_empty() {
            let kept = query.split('&').filter(|parameter| !holds(parameter) && !is_set(set, parameter));
            for (index, parameter) in kept.enumerate() {
                if index > 0 {
                    out.push(b'&');
                }
                out.extend_from_slice(parameter.as_bytes());
            }
        } else {
            out.extend_from_slice(query.as_bytes());
        }
    } else if !set.is_empty() {
        out.push(b'?');
    }
    for parameter in set {
        if !out.ends_with(b"?") {
            out.push(b'&');
        }
        out.extend_from_slice(parameter.encoded().expose());
    }
}

/// Whether what stands between two `&` is, to some server, a parameter that is about to be set: there are those that take `;` for `&`.
fn is_set(set: &[InjectedParameter], text: &str) -> bool {
    let name = |parameter: &str| parameter.split('=').next().unwrap_or_default().replace('+', " ");
    let names = |parameter: &str| set.iter().any(|set| percent_decode_str(&name(parameter)).eq(set.name().bytes()));
    !set.is_empty() && (names(text) || text.split(';').any(names))
}

#[cfg(test)]
mod tests {
    use connectors_core::{Address, InjectedHeader};
    use connectors_http1::HeadLimits;

    use super::*;

    const TOKEN: &str = "caller.token.canary";

    fn credential() -> Credential {
        Credential { headers: vec![InjectedHeader::new("Authorization", b"Basic dG9vbA==")], query: Vec::new() }
    }

    /// What reaches the tool at `https://tool.example/base` when `request` comes in.
    fn sent(request: &str, at_target: bool, credential: Option<&Credential>) -> String {
        let mut head = RequestHead::new();
        head.parse(format!("{request}\r\n\r\n").as_bytes(), &HeadLimits::default()).unwrap().expect("a whole head");
        let address = Address::parse("https://tool.example/base").unwrap();
        let token = SecretRef::new(TOKEN.as_bytes());
        let outgoing = Outgoing {
            head: &head,
            origin: address.origin(),
            prefix: Some(address.prefix()),
            path: RequestPath::parse(head.target()).unwrap(),
            at_target,
            credential,
            body: None,
            token,
            client: &PreparedField::new("X-Forwarded-For", b"192.0.2.7").unwrap(),
            client_host: Some("c"),
            client_tls: false,
            upgrade: upgrade(&head),
            client_http2: false,
        };
        let mut out = Vec::new();
        write(&outgoing, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const OWN: &str = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: c\r\nVia: 1.1 connectors\r\n";

    #[test]
    fn a_token_among_the_websocket_protocols_is_left_out() {
        let bearer = |token: &str| format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode(token));
        let (own, other) = (bearer(TOKEN), bearer("another"));
        for (at_target, protocols, expect) in [
            (true, format!("{own}, v4.channel.k8s.io"), Some("v4.channel.k8s.io".to_owned())),
            (
                true,
                format!("v5.channel.k8s.io,{} ,v4.channel.k8s.io", own.replace("base64url", "Base64URL")),
                Some("v5.channel.k8s.io, v4.channel.k8s.io".into()),
            ),
            (true, own.clone(), None),
            // On a target no Authorization of the caller's goes on, whoever it is meant for; elsewhere only the proxy's token is held back.
            (true, format!("{other}, chat"), Some("chat".into())),
            (false, format!("{other}, chat"), Some(format!("{other}, chat"))),
            (false, format!("{own}, chat"), Some("chat".into())),
            (false, format!("{own}=, chat"), Some("chat".into())),
            (true, "chat, superchat".into(), Some("chat, superchat".into())),
        ] {
            let text = sent(&format!("GET /x HTTP/1.1\r\nHost: c\r\nSec-WebSocket-Protocol: {protocols}"), at_target, None);
            let found = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: ")).map(str::to_owned);
            assert_eq!(found, expect, "{protocols}, at the target: {at_target}");
        }
    }

    #[test]
    fn the_tool_gets_its_own_host_path_and_credential() {
        assert_eq!(
            sent("GET /x?y=1 HTTP/1.1\r\nHost: c\r\nAccept: */*", true, Some(&credential())),
            format!("GET /base/x?y=1 HTTP/1.1\r\nHost: tool.example\r\nAccept: */*\r\n{OWN}Authorization: Basic dG9vbA==\r\n\r\n")
        );
        assert_eq!(
            sent("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 3\r\nExpect: 100-continue\r\nTE: trailers, deflate", true, None),
            format!("POST /base/ HTTP/1.1\r\nHost: tool.example\r\nContent-Length: 3\r\nExpect: 100-continue\r\nTE: trailers\r\nConnection: TE\r\n{OWN}\r\n")
        );
    }

    #[test]
    fn p09_connection_cannot_remove_what_the_proxy_adds() {
        let sent = sent("GET / HTTP/1.1\r\nHost: c\r\nConnection: Authorization, X-Forwarded-For, Host, x-own\r\nX-Own: 1", true, Some(&credential()));
        assert!(
            sent.contains("\r\nAuthorization: Basic dG9vbA==\r\n")
                && sent.contains("\r\nX-Forwarded-For: 192.0.2.7\r\n")
                && sent.contains("\r\nHost: tool.example\r\n"),
            "{sent}"
        );
        assert!(!sent.contains("X-Own") && !sent.contains("x-own"), "{sent}");
    }

    #[test]
    fn p10_aliases_and_repeats_of_the_injected_header_go() {
        let named = Credential { headers: vec![InjectedHeader::new("Private-Token", b"own")], query: Vec::new() };
        let sent = sent(
            "GET / HTTP/1.1\r\nHost: c\r\nprivate_token: a\r\nPRIVATE-TOKEN: b\r\nPrivate.Token: c\r\nPrivate-Token: d\r\nPrivate-Tokens: stays",
            true,
            Some(&named),
        );
        assert_eq!(sent.to_ascii_lowercase().matches("private").count(), 2, "{sent}");
        assert!(sent.contains("\r\nPrivate-Token: own\r\n") && sent.contains("Private-Tokens: stays"));
    }

    #[test]
    fn p11_what_the_client_says_of_itself_does_not_count() {
        let sent = sent(
            "GET / HTTP/1.1\r\nHost: c\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-host: evil\r\nX_Forwarded_Proto: https\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nVia: 1.0 x",
            true,
            None,
        );
        assert!(!sent.contains("1.2.3.4") && !sent.contains("evil") && !sent.contains("1.0 x") && !sent.contains("X_Forwarded"), "{sent}");
        assert!(sent.contains(OWN));
    }

    #[test]
    fn p29_proxy_authorization_never_goes_on() {
        let sent = sent(
            "GET / HTTP/1.1\r\nHost: c\r\nProxy-Authorization: Basic eA==\r\nProxy_Authorization: y\r\nProxy-Connection: keep-alive\r\nproxy-anything: z",
            false,
            None,
        );
        assert!(!sent.to_ascii_lowercase().contains("proxy"), "{sent}");
    }

    #[test]
    fn p30_no_header_of_a_client_means_anything_to_us_or_to_a_plugin() {
        let sent = sent("GET / HTTP/1.1\r\nHost: c\r\nX-Plugin-Secret: a\r\nX-Plugin-Auth: b\r\nx_plugin_meta: c", true, None);
        assert!(!sent.to_ascii_lowercase().contains("plugin"), "{sent}");
    }

    #[test]
    fn the_callers_authorization_goes_at_a_target_and_stays_elsewhere() {
        let request = "GET / HTTP/1.1\r\nHost: c\r\nAuthorization: Basic b3duOnNlY3JldA==";
        assert!(!sent(request, true, None).contains("Authorization"));
        assert!(sent(request, false, None).contains("\r\nAuthorization: Basic b3duOnNlY3JldA==\r\n"));
    }

    #[test]
    fn the_callers_token_goes_nowhere() {
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("any:{TOKEN}"));
        for at_target in [true, false] {
            for line in [
                format!("Authorization: Bearer {TOKEN}"),
                format!("Authorization: Basic {encoded}"),
                format!("Private-Token: {TOKEN}"),
                format!("Cookie: a=b; token={TOKEN}"),
            ] {
                let sent = sent(&format!("GET /?a=1&t={TOKEN}&b=2 HTTP/1.1\r\nHost: c\r\n{line}"), at_target, None);
                assert!(!sent.contains(TOKEN) && !sent.contains(&encoded), "{sent}");
                assert!(sent.starts_with("GET /base/?a=1&b=2 HTTP/1.1\r\n"), "{sent}");
            }
            let encoded: String = TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let sent = sent(&format!("GET /?a=1&t={encoded}&b=2 HTTP/1.1\r\nHost: c"), at_target, None);
            assert!(sent.starts_with("GET /base/?a=1&b=2 HTTP/1.1\r\n"), "{sent}");
        }
    }
}
