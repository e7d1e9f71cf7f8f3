//! The field names that decisions depend on.

use crate::grammar::{begins_with, token_prefix};

/// A field name, as far as this system decides anything by it. Each line of a head is classified once, while it is
/// parsed; everything after that compares these instead of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Field {
    /// No name below.
    Other,
    /// A name that would be one of the framing, credential, hop-by-hop, forwarding or plugin fields if what is
    /// neither letter nor digit in it were `-`: `Content_Length`, `X.Forwarded.For`. It is a legal name and means
    /// nothing, but servers in the line of CGI cannot tell it from the real one, so it must not be passed on.
    Alias,
    /// `Host`
    Host,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Connection`
    Connection,
    /// `Keep-Alive`
    KeepAlive,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `Proxy-Authenticate`
    ProxyAuthenticate,
    /// `Proxy-Authentication-Info`
    ProxyAuthenticationInfo,
    /// Any other `Proxy-*`, and `Proxy` itself, which CGI turns into the variable `HTTP_PROXY` (CVE-2016-5385).
    ProxyOther,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Upgrade`
    Upgrade,
    /// `Expect`
    Expect,
    /// `Authorization`
    Authorization,
    /// `Forwarded`
    Forwarded,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// Any other `X-Forwarded-*`, and `X-Real-IP`.
    XForwardedOther,
    /// `Via`
    Via,
    /// `Location`
    Location,
    /// `Content-Location`
    ContentLocation,
    /// `Set-Cookie`
    SetCookie,
    /// `Cookie`
    Cookie,
    /// `Content-Type`
    ContentType,
    /// `Date`
    Date,
    /// `Server`
    Server,
    /// `traceparent`
    Traceparent,
    /// Any `X-Plugin-*`
    XPlugin,
}

impl Field {
    /// Classifies a name, without regard to case. What isn't a token is [`Field::Other`].
    pub fn of(name: &[u8]) -> Self {
        match token_prefix(name) {
            (length, odd) if length == name.len() => Self::of_token(name, odd),
            _ => Self::Other,
        }
    }

    /// As [`Field::of`], for what is known to be a token; `odd` says whether it has a byte that is neither letter nor
    /// digit nor `-`.
    pub(crate) fn of_token(name: &[u8], odd: bool) -> Self {
        if odd { Self::of_odd(name) } else { Self::of_plain(name) }
    }

    /// This field's bit in a set of fields.
    pub(crate) fn bit(self) -> u64 {
        1 << self as u8
    }

    fn of_plain(name: &[u8]) -> Self {
        let Some(&first) = name.first() else { return Self::Other };
        let known = match (name.len(), first | 0x20) {
            (2, b't') if begins_with(name, b"te") => Self::Te,
            (3, b'v') if begins_with(name, b"via") => Self::Via,
            (4, b'h') if begins_with(name, b"host") => Self::Host,
            (4, b'd') if begins_with(name, b"date") => Self::Date,
            (5, b'p') if begins_with(name, b"proxy") => Self::ProxyOther,
            (6, b'c') if begins_with(name, b"cookie") => Self::Cookie,
            (6, b'e') if begins_with(name, b"expect") => Self::Expect,
            (6, b's') if begins_with(name, b"server") => Self::Server,
            (7, b'u') if begins_with(name, b"upgrade") => Self::Upgrade,
            (7, b't') if begins_with(name, b"trailer") => Self::Trailer,
            (8, b'l') if begins_with(name, b"location") => Self::Location,
            (9, b'f') if begins_with(name, b"forwarded") => Self::Forwarded,
            (9, b'x') if begins_with(name, b"x-real-ip") => Self::XForwardedOther,
            (10, b'c') if begins_with(name, b"connection") => Self::Connection,
            (10, b's') if begins_with(name, b"set-cookie") => Self::SetCookie,
            (10, b'k') if begins_with(name, b"keep-alive") => Self::KeepAlive,
            (11, b't') if begins_with(name, b"traceparent") => Self::Traceparent,
            (12, b'c') if begins_with(name, b"content-type") => Self::ContentType,
            (13, b'a') if begins_with(name, b"authorization") => Self::Authorization,
            (14, b'c') if begins_with(name, b"content-length") => Self::ContentLength,
            (15, b'x') if begins_with(name, b"x-forwarded-for") => Self::XForwardedFor,
            (16, b'c') if begins_with(name, b"content-location") => Self::ContentLocation,
            (16, b'p') if begins_with(name, b"proxy-connection") => Self::ProxyConnection,
            (16, b'x') if begins_with(name, b"x-forwarded-host") => Self::XForwardedHost,
            (17, b't') if begins_with(name, b"transfer-encoding") => Self::TransferEncoding,
            (17, b'x') if begins_with(name, b"x-forwarded-proto") => Self::XForwardedProto,
            (18, b'p') if begins_with(name, b"proxy-authenticate") => Self::ProxyAuthenticate,
            (19, b'p') if begins_with(name, b"proxy-authorization") => Self::ProxyAuthorization,
            (25, b'p') if begins_with(name, b"proxy-authentication-info") => Self::ProxyAuthenticationInfo,
            _ => Self::Other,
        };
        if known != Self::Other {
            return known;
        }
        match first | 0x20 {
            b'p' if begins_with(name, b"proxy-") => Self::ProxyOther,
            b'x' if begins_with(name, b"x-forwarded-") => Self::XForwardedOther,
            b'x' if begins_with(name, b"x-plugin-") => Self::XPlugin,
            _ => Self::Other,
        }
    }

    #[cold]
    fn of_odd(name: &[u8]) -> Self {
        // Longer than every name and prefix above.
        let mut dashed = [0; 32];
        let length = name.len().min(dashed.len());
        for (to, from) in dashed.iter_mut().zip(name) {
            *to = if from.is_ascii_alphanumeric() { *from } else { b'-' };
        }
        match Self::of_plain(&dashed[..length]) {
            Self::ContentLength
            | Self::TransferEncoding
            | Self::KeepAlive
            | Self::ProxyConnection
            | Self::ProxyAuthorization
            | Self::ProxyAuthenticate
            | Self::ProxyAuthenticationInfo
            | Self::ProxyOther
            | Self::XForwardedFor
            | Self::XForwardedHost
            | Self::XForwardedProto
            | Self::XForwardedOther
            | Self::XPlugin => Self::Alias,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_classified_in_any_case() {
        let known = [
            ("Host", Field::Host),
            ("content-LENGTH", Field::ContentLength),
            ("Transfer-Encoding", Field::TransferEncoding),
            ("Connection", Field::Connection),
            ("Keep-Alive", Field::KeepAlive),
            ("Proxy-Connection", Field::ProxyConnection),
            ("PROXY-AUTHORIZATION", Field::ProxyAuthorization),
            ("Proxy-Authenticate", Field::ProxyAuthenticate),
            ("Proxy-Authentication-Info", Field::ProxyAuthenticationInfo),
            ("Proxy", Field::ProxyOther),
            ("Proxy-", Field::ProxyOther),
            ("Proxy-Anything-At-All-However-Long-It-May-Be", Field::ProxyOther),
            ("TE", Field::Te),
            ("Trailer", Field::Trailer),
            ("Upgrade", Field::Upgrade),
            ("Expect", Field::Expect),
            ("Authorization", Field::Authorization),
            ("Forwarded", Field::Forwarded),
            ("X-Forwarded-For", Field::XForwardedFor),
            ("X-Forwarded-Host", Field::XForwardedHost),
            ("X-Forwarded-Proto", Field::XForwardedProto),
            ("X-Forwarded-Port", Field::XForwardedOther),
            ("X-Forwarded-Client-Cert", Field::XForwardedOther),
            ("X-Real-IP", Field::XForwardedOther),
            ("Via", Field::Via),
            ("Location", Field::Location),
            ("Content-Location", Field::ContentLocation),
            ("Set-Cookie", Field::SetCookie),
            ("Cookie", Field::Cookie),
            ("Content-Type", Field::ContentType),
            ("Date", Field::Date),
            ("Server", Field::Server),
            ("traceparent", Field::Traceparent),
            ("X-Plugin-Secret", Field::XPlugin),
            ("Accept", Field::Other),
            ("Hosts", Field::Other),
            ("Hos", Field::Other),
            ("X-Forwarded", Field::Other),
            ("X-Plugin", Field::Other),
            ("Proxied", Field::Other),
            ("Content-Length ", Field::Other),
            ("", Field::Other),
        ];
        for (name, field) in known {
            assert_eq!(Field::of(name.as_bytes()), field, "{name}");
            assert_eq!(Field::of(name.to_ascii_uppercase().as_bytes()), field, "{name}");
            assert_eq!(Field::of(name.to_ascii_lowercase().as_bytes()), field, "{name}");
        }
    }

    #[test]
    fn p10_names_that_a_server_may_take_for_another_are_aliases() {
        for name in [
            "Content_Length",
            "content.length",
            "TRANSFER_ENCODING",
            "Transfer_Encoding",
            "Proxy_Authorization",
            "Proxy_Authentication_Info",
            "Proxy_",
            "Proxy_Whatever_Else_However_Long_The_Name_Is",
            "X_Forwarded_For",
            "X-Forwarded_For",
            "X_Forwarded-Port",
            "X_Real_IP",
            "X_Plugin_Token",
            "X-Plugin!Token",
            "Keep_Alive",
        ] {
            assert_eq!(Field::of(name.as_bytes()), Field::Alias, "{name}");
        }
        for name in ["Host_", "_Host", "Set_Cookie", "Content_Type", "X_Custom", "My.Header", "Authorization_"] {
            assert_eq!(Field::of(name.as_bytes()), Field::Other, "{name}");
        }
        // Odd bytes after a dashed prefix don't make it less of what it is, but the proxy drops it all the same.
        assert_eq!(Field::of(b"X-Forwarded-A_B"), Field::Alias);
        assert_eq!(Field::of(b"X-Plugin-A_B"), Field::Alias);
    }
}
