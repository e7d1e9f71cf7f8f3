//! Paths, which all have slashes, and URLs.

use super::dict::string_entry;
use crate::error::Failure;
use crate::function::{Args, Env, Function, Param};
use crate::url::Url;
use crate::value::{Str, Value};

type Result<T = Value> = std::result::Result<T, Failure>;

const STRING: &[Param] = &[Param::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("base", STRING, |env, args| env.string(base(args.string(0)))),
    Function::new("osBase", STRING, |env, args| env.string(base(args.string(0)))),
    Function::new("dir", STRING, |env, args| env.string(dir(args.string(0)))),
    Function::new("osDir", STRING, |env, args| env.string(dir(args.string(0)))),
    Function::new("clean", STRING, |env, args| env.string(clean(args.string(0)))),
    Function::new("osClean", STRING, |env, args| env.string(clean(args.string(0)))),
    Function::new("ext", STRING, |env, args| env.string(ext(args.string(0)))),
    Function::new("osExt", STRING, |env, args| env.string(ext(args.string(0)))),
    Function::new("isAbs", STRING, |_, args| Ok(Value::Bool(args.string(0).starts_with(b"/")))),
    Function::new("osIsAbs", STRING, |_, args| Ok(Value::Bool(args.string(0).starts_with(b"/")))),
    Function::new("urlParse", STRING, url_parse),
    Function::new("urlJoin", &[Param::Map], url_join),
];

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    let name = &path[..end];
    let name = &name[name.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1)..];
    if name.is_empty() { b"/" } else { name }
}

fn dir(path: &[u8]) -> Vec<u8> {
    clean(&path[..path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1)])
}

fn ext(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| matches!(byte, b'.' | b'/')) {
        Some(at) if path[at] == b'.' => &path[at..],
        _ => b"",
    }
}

/// `path.Clean`.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|&last| last != b"..") => {
                parts.pop();
            }
            b".." if rooted => {}
            part => parts.push(part),
        }
    }
    let mut out = if rooted { b"/".to_vec() } else { Vec::new() };
    out.extend(parts.join(&b'/'));
    if out.is_empty() { b".".to_vec() } else { out }
}

fn url_parse(env: &mut Env, args: Args<'_>) -> Result {
    let url = Url::parse(args.string(0)).map_err(|error| format!("unable to parse url: {error}"))?;
    env.meter.allocate(args.string(0).len() + 16 * size_of::<Value>())?;
    let entries: [(&str, Vec<u8>); 8] = [
        ("scheme", url.scheme.clone()),
        ("host", url.host.clone()),
        ("hostname", url.hostname().to_vec()),
        ("path", url.path.clone()),
        ("query", url.query.clone()),
        ("opaque", url.opaque.clone()),
        ("fragment", url.fragment.clone()),
        ("userinfo", url.userinfo()),
    ];
    Ok(Value::map(entries.into_iter().map(|(key, text)| (Str::from(key), Value::string(text)))))
}

fn url_join(env: &mut Env, args: Args<'_>) -> Result {
    let part = |key: &str| string_entry(args.map(0), key).map(|text| text.to_vec());
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        user: None,
    };
    let userinfo = part("userinfo")?;
    if !userinfo.is_empty() {
        let parsed = Url::parse(&[b"proto://", &userinfo[..], b"@host"].concat());
        url.user = parsed.map_err(|error| format!("unable to parse userinfo in dict: {error}"))?.user;
    }
    env.string(url.join())
}
