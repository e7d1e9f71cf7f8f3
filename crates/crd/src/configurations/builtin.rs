//! The files that there are for every Connector.

use connectors_core::SecretValue;

use super::{Context, File, Mounted, Source, data};

/// Token, CA and proxy, each as a file of its own, and the proxy's variables in `.env`.
///
/// `class_proxy` is where the last class's proxy is. Where there is none, there is no file that names one.
pub(super) fn files(mounted: &[Mounted<'_>], class_proxy: &str, context: &Context<'_>) -> Vec<File> {
    let public = |name: &str, text: &str| File { name: name.into(), content: SecretValue::new(text), source: Source::Public };
    let secret = |name: &str, content: Vec<u8>| File { name: name.into(), content: SecretValue::new(content), source: Source::BuiltIn };
    let first = mounted.first().map_or("", |one| data::proxy_address(one.connector));
    let last = mounted.last().map_or("", |one| data::proxy_address(one.connector));
    let mut files = vec![
        secret("context.token", context.token.expose().to_vec()),
        public("context.proxy.caCert", context.ca_cert),
        public("ca.crt", context.ca_cert),
        public("ca.cert", context.ca_cert),
        public("connector.status.proxyAddress", first),
    ];
    let host = [class_proxy, last].into_iter().map(host).find(|host| !host.is_empty());
    if let Some(host) = host {
        let url = proxy_url(mounted, context.token, host);
        let variables = [b"http_proxy=", &url[..], b"\nhttps_proxy=", &url, b"\nno_proxy=", context.no_proxy.as_bytes(), b"\n"].concat();
        files.extend([secret("http.proxy", url.clone()), secret("https.proxy", url), secret(".env", variables)]);
    }
    files
}

/// `http://<ns>%2F<name>[,…]:<token>@<host>`.
fn proxy_url(mounted: &[Mounted<'_>], token: &SecretValue, host: &str) -> Vec<u8> {
    let name = |one: &Mounted<'_>| format!("{}%2F{}", one.connector.metadata.namespace, one.connector.metadata.name);
    let names: Vec<String> = mounted.iter().map(name).collect();
    [b"http://", names.join(",").as_bytes(), b":", token.expose(), b"@", host.as_bytes()].concat()
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}
