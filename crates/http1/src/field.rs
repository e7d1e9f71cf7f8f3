//! The field names that decisions depend on.

use crate::grammar::{ONES, begins_with, token_prefix};

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

    /// As [`Field::of`], for what has only letters, digits and `-`.
    #[inline(always)]
    pub(crate) fn of_plain(name: &[u8]) -> Self {
        let ends = Ends::of(name);
        let known = &KNOWN[usize::from(SLOTS[ends.slot(MULTIPLIER)])];
        // Of names no longer than 16, the ends are all.
        if known.ends == ends && known.name.len() == name.len() && (name.len() <= 16 || known.name.eq_ignore_ascii_case(name)) {
            return known.field;
        }
        match name.first() {
            Some(b'p' | b'P') if begins_with(name, b"proxy-") => Self::ProxyOther,
            Some(b'x' | b'X') if begins_with(name, b"x-forwarded-") => Self::XForwardedOther,
            Some(b'x' | b'X') if begins_with(name, b"x-plugin-") => Self::XPlugin,
            _ => Self::Other,
        }
    }

    /// Whether the parser looks at the value, or at whether the field is repeated.
    #[inline(always)]
    pub(crate) fn is_decisive(self) -> bool {
        const DECISIVE: u64 = Field::Host.bit()
            | Field::ContentLength.bit()
            | Field::TransferEncoding.bit()
            | Field::Connection.bit()
            | Field::Expect.bit()
            | Field::Authorization.bit()
            | Field::ProxyAuthorization.bit();
        self.bit() & DECISIVE != 0
    }

    /// This field's bit in a set of fields.
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
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

/// A name, in small letters, and what it means.
struct Known {
    name: &'static [u8],
    ends: Ends,
    field: Field,
}

/// The first and the last bytes of a name, in small letters.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends(u64, u64);

/// The fields that have one name.
const KNOWN: [Known; 29] = [
    Known::new(b"te", Field::Te),
    Known::new(b"via", Field::Via),
    Known::new(b"host", Field::Host),
    Known::new(b"date", Field::Date),
    Known::new(b"proxy", Field::ProxyOther),
    Known::new(b"cookie", Field::Cookie),
    Known::new(b"expect", Field::Expect),
    Known::new(b"server", Field::Server),
    Known::new(b"upgrade", Field::Upgrade),
    Known::new(b"trailer", Field::Trailer),
    Known::new(b"location", Field::Location),
    Known::new(b"forwarded", Field::Forwarded),
    Known::new(b"x-real-ip", Field::XForwardedOther),
    Known::new(b"connection", Field::Connection),
    Known::new(b"set-cookie", Field::SetCookie),
    Known::new(b"keep-alive", Field::KeepAlive),
    Known::new(b"traceparent", Field::Traceparent),
    Known::new(b"content-type", Field::ContentType),
    Known::new(b"authorization", Field::Authorization),
    Known::new(b"content-length", Field::ContentLength),
    Known::new(b"x-forwarded-for", Field::XForwardedFor),
    Known::new(b"content-location", Field::ContentLocation),
    Known::new(b"proxy-connection", Field::ProxyConnection),
    Known::new(b"x-forwarded-host", Field::XForwardedHost),
    Known::new(b"transfer-encoding", Field::TransferEncoding),
    Known::new(b"x-forwarded-proto", Field::XForwardedProto),
    Known::new(b"proxy-authenticate", Field::ProxyAuthenticate),
    Known::new(b"proxy-authorization", Field::ProxyAuthorization),
    Known::new(b"proxy-authentication-info", Field::ProxyAuthenticationInfo),
];

/// Which of [`KNOWN`] a name can only be, by its [`Ends::slot`].
static SLOTS: [u8; 128] = match slots(MULTIPLIER) {
    Some(slots) => slots,
    None => panic!("two names in a slot"),
};

/// One for which each name of [`KNOWN`] has a slot of its own.
const MULTIPLIER: u64 = {
    let mut multiplier = 0x9e37_79b9_7f4a_7c15;
    while slots(multiplier).is_none() {
        multiplier += 2;
    }
    multiplier
};

const fn slots(multiplier: u64) -> Option<[u8; 128]> {
    let mut slots = [0; 128];
    let mut taken = [false; 128];
    let mut at = 0;
    while at < KNOWN.len() {
        let slot = KNOWN[at].ends.slot(multiplier);
        if taken[slot] {
            return None;
        }
        taken[slot] = true;
        slots[slot] = at as u8;
        at += 1;
    }
    Some(slots)
}

impl Known {
    const fn new(name: &'static [u8], field: Field) -> Self {
        Self { name, ends: Ends::of(name), field }
    }
}

impl Ends {
    /// Of what has only letters, digits and `-`, of which only capital letters change when bit 0x20 is set.
    #[inline(always)]
    const fn of(name: &[u8]) -> Self {
        let (first, last) = if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
        } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            (u16::from_le_bytes(*first) as u64, u16::from_le_bytes(*last) as u64)
        } else {
            (0, 0)
        };
        Self(first | (ONES * 0x20), last | (ONES * 0x20))
    }

    #[inline(always)]
    const fn slot(self, multiplier: u64) -> usize {
        ((self.0 ^ self.1.rotate_left(29)).wrapping_mul(multiplier) >> 57) as usize
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
