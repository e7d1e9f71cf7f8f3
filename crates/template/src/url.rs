//! URLs as Go's `net/url` takes them apart and puts them together.

use crate::address::is_version_6;
use crate::quote::quote;

/// Which part of a URL is escaped: each lets other characters stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Path,
    UserPassword,
    Host,
    Zone,
    Query,
    Fragment,
}

fn stands(byte: u8, mode: Mode) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return true;
    }
    let allowed: &[u8] = match mode {
        Mode::Path => b"$&+,/:;=@",
        Mode::UserPassword => b"$&+,;=",
        Mode::Host | Mode::Zone => b"!$&'()*+,;=:[]<>\"",
        Mode::Query => b"",
        Mode::Fragment => b"$&+,/:;=?@!()*",
    };
    allowed.contains(&byte)
}

/// `url.QueryEscape`.
pub(crate) fn escape_query(text: &[u8], out: &mut Vec<u8>) {
    escape(text, Mode::Query, out);
}

fn escape(text: &[u8], mode: Mode, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b' ' if mode == Mode::Query => out.push(b'+'),
            _ if stands(byte, mode) => out.push(byte),
            _ => out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

fn escaped(text: &[u8], mode: Mode) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    escape(text, mode, &mut out);
    out
}

fn unescape(text: &[u8], mode: Mode) -> Result<Vec<u8>, String> {
    let bad_escape = |bytes: &[u8]| format!("invalid URL escape {}", quote(bytes));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if byte != b'%' {
            if matches!(mode, Mode::Host | Mode::Zone) && byte < 0x80 && !stands(byte, mode) {
                return Err(format!("invalid character {} in host name", quote(&[byte])));
            }
            out.push(byte);
            at += 1;
            continue;
        }
        let digit = |index: usize| text.get(at + index).and_then(|&byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(1), digit(2)) else { return Err(bad_escape(&text[at..text.len().min(at + 3)])) };
        let value = (high << 4 | low) as u8;
        let sequence = &text[at..at + 3];
        let refused = match mode {
            Mode::Host => high < 8 && sequence != b"%25",
            Mode::Zone => sequence != b"%25" && value != b' ' && !stands(value, Mode::Host),
            _ => false,
        };
        if refused {
            return Err(bad_escape(sequence));
        }
        out.push(value);
        at += 3;
    }
    Ok(out)
}

/// A URL, in parts.
#[derive(Debug, Default)]
pub(crate) struct Url {
    pub(crate) scheme: Vec<u8>,
    pub(crate) opaque: Vec<u8>,
    /// User name and password.
    pub(crate) user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) host: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Vec<u8>,
    pub(crate) fragment: Vec<u8>,
}

fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == separator) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

impl Url {
    /// `url.Parse`. The error is Go's.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let (before, fragment) = cut(text, b'#');
        let error = |url: &[u8], error: String| format!("parse {}: {error}", quote(url));
        let mut url = Self::parse_without_fragment(before).map_err(|message| error(before, message))?;
        url.fragment = unescape(fragment.unwrap_or_default(), Mode::Fragment).map_err(|message| error(text, message))?;
        Ok(url)
    }

    fn parse_without_fragment(text: &[u8]) -> Result<Self, String> {
        if text.iter().any(u8::is_ascii_control) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = cut(rest, b'?');
        url.query = query.unwrap_or_default().to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        if rest.starts_with(b"//") && (!url.scheme.is_empty() || !rest.starts_with(b"///")) {
            let end = rest[2..].iter().position(|&byte| byte == b'/').map_or(rest.len(), |at| at + 2);
            url.set_authority(&rest[2..end])?;
            rest = &rest[end..];
        }
        url.path = unescape(rest, Mode::Path)?;
        Ok(url)
    }

    fn set_authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let at = authority.iter().rposition(|&byte| byte == b'@');
        self.host = parse_host(&self.scheme, &authority[at.map_or(0, |at| at + 1)..])?;
        let Some(at) = at else { return Ok(()) };
        let info = &authority[..at];
        if !info.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = cut(info, b':');
        let password = password.map(|password| unescape(password, Mode::UserPassword));
        self.user = Some((unescape(name, Mode::UserPassword)?, password.transpose()?));
        Ok(())
    }

    /// Host without port and brackets.
    pub(crate) fn hostname(&self) -> &[u8] {
        let mut host = &self.host[..];
        if let Some(colon) = host.iter().rposition(|&byte| byte == b':')
            && host[colon + 1..].iter().all(u8::is_ascii_digit)
        {
            host = &host[..colon];
        }
        host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host)
    }

    /// User name and password, escaped.
    pub(crate) fn userinfo(&self) -> Vec<u8> {
        let Some((name, password)) = &self.user else { return Vec::new() };
        let mut out = escaped(name, Mode::UserPassword);
        if let Some(password) = password {
            out.push(b':');
            escape(password, Mode::UserPassword, &mut out);
        }
        out
    }

    /// `URL.String`.
    pub(crate) fn join(&self) -> Vec<u8> {
        let mut out = self.scheme.clone();
        if !out.is_empty() {
            out.push(b':');
        }
        if self.opaque.is_empty() {
            if !self.host.is_empty() || self.user.is_some() || !self.scheme.is_empty() && !self.path.is_empty() {
                out.extend_from_slice(b"//");
            }
            if self.user.is_some() {
                out.extend_from_slice(&self.userinfo());
                out.push(b'@');
            }
            escape(&self.host, Mode::Host, &mut out);
            let path = if self.path == b"*" { self.path.clone() } else { escaped(&self.path, Mode::Path) };
            if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
                out.push(b'/');
            }
            if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
                out.extend_from_slice(b"./");
            }
            out.extend_from_slice(&path);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            escape(&self.fragment, Mode::Fragment, &mut out);
        }
        out
    }
}

fn split_scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn parse_host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    let check_port = |port: &[u8]| match port {
        [] => Ok(()),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Ok(()),
        port => Err(format!("invalid port {} after host", quote(port))),
    };
    match host.iter().rposition(|&byte| byte == b'[') {
        Some(0) => {}
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {
            if let Some(first) = host.iter().position(|&byte| byte == b':') {
                let strict = matches!(scheme, b"http" | b"https");
                let colon = if strict { first } else { host.iter().rposition(|&byte| byte == b':').unwrap_or(first) };
                check_port(&host[colon..])?;
            }
            return unescape(host, Mode::Host);
        }
    }
    let close = host.iter().rposition(|&byte| byte == b']').ok_or("missing ']' in host")?;
    let port = &host[close + 1..];
    check_port(port)?;
    let name = &host[1..close];
    let zone = name.windows(3).position(|window| window == b"%25");
    let mut address = unescape(&name[..zone.unwrap_or(name.len())], Mode::Host)?;
    if let Some(zone) = zone {
        address.extend(unescape(&name[zone..], Mode::Zone)?);
    }
    // Only of version 6.
    if !is_version_6(&address).map_err(|error| format!("invalid host: {error}"))? {
        return Err("invalid IP-literal".to_owned());
    }
    Ok([b"[", &address[..], b"]", port].concat())
}
