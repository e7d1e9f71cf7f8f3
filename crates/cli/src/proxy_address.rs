//! Where the proxy is, as the files of workloads name it.

use std::net::SocketAddr;

use connectors_core::{ConnectorRef, Host, Resolver, Snapshot};
use connectors_crd::configurations::NO_PROXY;

/// The proxy's address, and the form in which those of Connectors are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProxyAddress {
    /// `http://` and this is where clients send forward requests.
    authority: String,
    /// Host and port before `/namespaces/<ns>/connectors/<name>`.
    by_path: String,
    /// The port in `c-<name>.<ns>.localhost:<port>`, where such names lead to the proxy.
    by_host: Option<u16>,
}

impl ProxyAddress {
    /// Of a proxy on this machine. Where this machine's resolver doesn't know names below `localhost`, as libraries other than curl's need it to, Connectors
    /// are told apart by path, whatever their class says.
    pub(crate) fn local(listen: SocketAddr, tools: &Tools) -> Self {
        Self::on_this_machine(listen, tools, std::fs::read_to_string("/etc/nsswitch.conf").is_ok_and(|text| knows_names_below_localhost(&text)))
    }

    fn on_this_machine(listen: SocketAddr, tools: &Tools, names: bool) -> Self {
        let authority = listen.to_string();
        // A tool on the same address has to be reached by the proxy, and the proxy itself has not: only by another name can clients tell one from the other.
        let other_name = listen.ip() == std::net::Ipv4Addr::LOCALHOST && tools.has("127.0.0.1") && !tools.has("localhost");
        let by_path = if other_name { format!("localhost:{}", listen.port()) } else { authority.clone() };
        Self { authority, by_path, by_host: (names && listen.ip().is_loopback()).then_some(listen.port()) }
    }

    /// Of a proxy anywhere, `HOST:PORT`.
    pub(crate) fn elsewhere(authority: &str) -> Self {
        Self { authority: authority.to_owned(), by_path: authority.to_owned(), by_host: None }
    }

    /// Where clients send forward requests.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Where clients reach a Connector's tool: without a slash at its end.
    pub(crate) fn of(&self, name: &ConnectorRef, resolver: Resolver) -> String {
        match (self.by_host, resolver) {
            (Some(port), Resolver::Host) => format!("http://{}:{port}", Self::host_of(name)),
            (_, Resolver::Host | Resolver::Path) => format!("http://{}/namespaces/{}/connectors/{}", self.by_path, name.namespace(), name.name()),
        }
    }

    /// What clients reach without the proxy: the hosts of these Connectors' addresses, unless a tool has the same, and, as in a Pod, this machine, unless a tool is on it.
    pub(crate) fn no_proxy<'a>(&self, connectors: impl IntoIterator<Item = (&'a ConnectorRef, Resolver)>, tools: &Tools) -> String {
        let plain = self.by_path.rsplit_once(':').map_or(&*self.by_path, |(host, _)| host);
        let mut direct: Vec<String> = if tools.any_here() { Vec::new() } else { NO_PROXY.split(',').map(str::to_owned).collect() };
        for (name, resolver) in connectors {
            let host = if self.by_host.is_some() && resolver == Resolver::Host { Self::host_of(name) } else { plain.to_owned() };
            // Clients take an entry for the names below it too.
            let is_covered = |entry: &String| host.strip_suffix(&**entry).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            if tools.has(&host) || direct.iter().any(is_covered) {
                continue;
            }
            // curl and Go know an IPv6 address without brackets, Python's urllib with them.
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
            direct.extend(bare);
            direct.push(host);
        }
        direct.join(",")
    }

    fn host_of(name: &ConnectorRef) -> String {
        format!("c-{}.{}.localhost", name.name(), name.namespace())
    }
}

/// nsswitch.conf(5): whether `hosts` has a service that answers for names below `localhost` (RFC 6761 §6.3), which glibc by itself doesn't.
fn knows_names_below_localhost(nsswitch: &str) -> bool {
    let hosts = nsswitch.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
    hosts.is_some_and(|services| services.split('#').next().unwrap_or_default().split_whitespace().any(|service| matches!(service, "myhostname" | "resolve")))
}

/// The hosts of Connectors' tools.
#[derive(Debug, Default)]
pub(crate) struct Tools(Vec<Host>);

impl Tools {
    /// Those of these Connectors.
    pub(crate) fn of(snapshot: &Snapshot, names: &[ConnectorRef]) -> Self {
        let connectors = names.iter().filter_map(|name| snapshot.connector(name));
        Self(connectors.flat_map(|connector| connector.targets()).map(|address| address.origin().host().clone()).collect())
    }

    /// Whether one is on this machine, by a name that says so.
    fn any_here(&self) -> bool {
        self.0.iter().any(|host| match host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
        })
    }

    fn has(&self, host: &str) -> bool {
        self.0.iter().any(|tool| tool.to_string() == host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(hosts: &[&str]) -> Tools {
        Tools(hosts.iter().map(|host| Host::parse(host).unwrap()).collect())
    }

    #[test]
    fn addresses_are_those_that_clients_can_reach() {
        let name = ConnectorRef::parse("team/git").unwrap();
        let path = "/namespaces/team/connectors/git";
        for (listen, hosts, names, by_host, by_path, direct) in [
            ("127.0.0.1:80", &[][..], true, "http://c-git.team.localhost:80".to_owned(), format!("http://127.0.0.1:80{path}"), "localhost,127.0.0.1"),
            ("127.0.0.1:80", &[], false, format!("http://127.0.0.1:80{path}"), format!("http://127.0.0.1:80{path}"), "localhost,127.0.0.1"),
            ("127.0.0.1:80", &["127.0.0.1"], true, "http://c-git.team.localhost:80".to_owned(), format!("http://localhost:80{path}"), "c-git.team.localhost"),
            ("127.0.0.1:80", &["127.0.0.1"], false, format!("http://localhost:80{path}"), format!("http://localhost:80{path}"), "localhost"),
            ("127.0.0.1:80", &["localhost"], false, format!("http://127.0.0.1:80{path}"), format!("http://127.0.0.1:80{path}"), "127.0.0.1"),
            ("127.0.0.1:80", &["localhost", "127.0.0.1"], false, format!("http://127.0.0.1:80{path}"), format!("http://127.0.0.1:80{path}"), ""),
            ("[::1]:80", &[], false, format!("http://[::1]:80{path}"), format!("http://[::1]:80{path}"), "localhost,127.0.0.1,::1,[::1]"),
            ("[::1]:80", &["127.0.0.1"], false, format!("http://[::1]:80{path}"), format!("http://[::1]:80{path}"), "::1,[::1]"),
            ("10.0.0.1:80", &[], true, format!("http://10.0.0.1:80{path}"), format!("http://10.0.0.1:80{path}"), "localhost,127.0.0.1,10.0.0.1"),
            // The tool has to be reached by the proxy all the same.
            (
                "10.0.0.1:80",
                &["10.0.0.1", "example.com"],
                true,
                format!("http://10.0.0.1:80{path}"),
                format!("http://10.0.0.1:80{path}"),
                "localhost,127.0.0.1",
            ),
        ] {
            let tools = tools(hosts);
            let proxy = ProxyAddress::on_this_machine(listen.parse().unwrap(), &tools, names);
            assert_eq!((proxy.of(&name, Resolver::Host), proxy.of(&name, Resolver::Path)), (by_host, by_path), "{listen} {hosts:?} {names}");
            assert_eq!(proxy.no_proxy([(&name, Resolver::Host)], &tools), direct, "{listen} {hosts:?} {names}");
            assert_eq!(proxy.url(), format!("http://{listen}"));
        }
        assert_eq!(ProxyAddress::elsewhere("proxy:8080").of(&name, Resolver::Host), format!("http://proxy:8080{path}"));
    }

    #[test]
    fn who_answers_for_names_below_localhost() {
        for (text, expect) in [
            ("passwd: files\nhosts: files dns\n", false),
            ("hosts:  files mdns4_minimal [NOTFOUND=return] dns myhostname\n", true),
            ("hosts: mymachines resolve [!UNAVAIL=return] files\n", true),
            ("hosts: files dns # myhostname\n", false),
            ("# hosts: myhostname\nhosts: dns\n", false),
            ("", false),
        ] {
            assert_eq!(knows_names_below_localhost(text), expect, "{text}");
        }
    }
}
