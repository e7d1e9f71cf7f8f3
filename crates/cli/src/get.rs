//! `connectors get`: tables like kubectl's.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use connectors_core::{ConnectorRef, Resolver, Snapshot};
use connectors_crd::conditions::{AUTH_READY, LIVENESS_READY, READY};
use connectors_crd::{Condition, Connector, ConnectorClass, ConnectorClassStatus, ConnectorProxyStatus, ConnectorStatus, ResolvedAddress};
use connectors_standalone::{Directory, Options};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::absence;
use crate::args::{GetArgs, KindArg, OutputArg};
use crate::{conditions, yaml};

/// Prints what was asked for.
pub(crate) fn run(arguments: &GetArgs) -> anyhow::Result<ExitCode> {
    let options = Options { cluster_domain: arguments.cluster_domain.clone(), ..arguments.folder.options(&arguments.system.system_namespace) };
    let directory = Directory::open(&arguments.folder.dir, options)?;
    let running = arguments.folder.open_state().ok().and_then(|state| state.running());
    // Only a running proxy has asked the tools; without one, what the manifests alone say.
    let found = running.and_then(|running| conditions::of_running(running.admin)).unwrap_or_default();
    let unused = absence::unused(&directory);
    if let Some(parts) = &unused {
        let kept = if running.is_some() { "; the running proxy keeps what they held before, if it knew them then" } else { "" };
        writeln!(std::io::stderr(), "warning: these have errors and are not in force{kept}:{parts}")?;
    }
    match arguments.kind {
        KindArg::Connectors => {
            let wanted = |connector: &Connector| arguments.all_namespaces || connector.metadata.namespace == arguments.namespace;
            let mut connectors: Vec<Connector> = directory.connectors().into_iter().filter(wanted).collect();
            if let Some(running) = running {
                let snapshot = directory.snapshot().load_full();
                connectors.iter_mut().for_each(|connector| set_proxy_address(connector, &snapshot, running.listen));
            }
            let mut found: HashMap<(String, String), Vec<Condition>> =
                found.connectors.into_iter().map(|row| ((row.namespace, row.name), row.conditions)).collect();
            for connector in &mut connectors {
                let name = (connector.metadata.namespace.clone(), connector.metadata.name.clone());
                if let Some(conditions) = found.remove(&name) {
                    connector.status.get_or_insert_with(ConnectorStatus::default).conditions = conditions;
                }
            }
            print(arguments, unused.is_none(), connectors)
        }
        KindArg::ConnectorClasses => {
            let mut classes = directory.classes();
            let mut found: HashMap<String, Vec<Condition>> = found.classes.into_iter().map(|row| (row.name, row.conditions)).collect();
            for class in &mut classes {
                if let Some(conditions) = found.remove(&class.metadata.name) {
                    class.status.get_or_insert_with(ConnectorClassStatus::default).conditions = conditions;
                }
            }
            print(arguments, unused.is_none(), classes)
        }
    }
}

/// `status.proxy.httpAddress.url`, as it is reached on this machine.
fn set_proxy_address(connector: &mut Connector, snapshot: &Snapshot, listen: std::net::SocketAddr) {
    let (name, namespace, port) = (&connector.metadata.name, &connector.metadata.namespace, listen.port());
    let Some(resolved) = ConnectorRef::new(namespace, name).ok().and_then(|name| snapshot.connector(&name).cloned()) else { return };
    let host = format!("http://c-{name}.{namespace}.localhost:{port}");
    let url = match resolved.resolver {
        Resolver::Host => host,
        Resolver::Path => format!("{host}/namespaces/{namespace}/connectors/{name}"),
    };
    let status = connector.status.get_or_insert_with(ConnectorStatus::default);
    status.proxy = Some(ConnectorProxyStatus { http_address: ResolvedAddress { url, ..ResolvedAddress::default() } });
}

/// What can stand in a table.
trait Row: Serialize {
    const KIND: &'static str;
    const PLURAL: &'static str;
    const NAMESPACED: bool;
    const HEADER: &'static [&'static str];
    const WIDE: &'static [&'static str];
    fn namespace(&self) -> Option<&str>;
    fn name(&self) -> &str;
    fn cells(&self, wide: bool) -> Vec<String>;
}

impl Row for Connector {
    const KIND: &'static str = "connector";
    const PLURAL: &'static str = "connectors";
    const NAMESPACED: bool = true;
    const HEADER: &'static [&'static str] = &["CLASS", "ADDRESS", "READY", "REASON", "AGE"];
    const WIDE: &'static [&'static str] = &["LIVENESS", "AUTHENTICATED", "PROXY", "AUTH", "SECRET", "MESSAGE"];

    fn namespace(&self) -> Option<&str> {
        Some(&self.metadata.namespace)
    }

    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn cells(&self, wide: bool) -> Vec<String> {
        let conditions = self.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let (ready, reason) = state(conditions, READY);
        let mut cells =
            vec![self.spec.connector_class_name.clone(), self.spec.address.clone(), ready, reason, age(self.metadata.creation_timestamp.as_deref())];
        if wide {
            cells.extend([LIVENESS_READY, AUTH_READY].map(|condition_type| state(conditions, condition_type).0));
            let proxy = self.status.as_ref().and_then(|status| status.proxy.as_ref()).map(|proxy| proxy.http_address.url.clone());
            let auth = self.spec.auth.as_ref();
            let secret = auth.and_then(|auth| auth.secret_ref.as_ref()).map(|secret| secret.name.clone());
            let message = conditions.iter().find(|condition| condition.condition_type == READY).map(|condition| condition.message.clone());
            let more = [proxy, auth.map(|auth| auth.name.clone()), secret, message];
            cells.extend(more.map(|cell| cell.filter(|text| !text.is_empty()).unwrap_or_else(none)));
        }
        cells
    }
}

impl Row for ConnectorClass {
    const KIND: &'static str = "connectorclass";
    const PLURAL: &'static str = "connectorclasses";
    const NAMESPACED: bool = false;
    const HEADER: &'static [&'static str] = &["READY", "REASON", "AGE"];
    const WIDE: &'static [&'static str] = &["AUTH"];

    fn namespace(&self) -> Option<&str> {
        None
    }

    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn cells(&self, wide: bool) -> Vec<String> {
        let (ready, reason) = state(self.status.as_ref().map_or(&[][..], |status| &status.conditions), READY);
        let mut cells = vec![ready, reason, age(self.metadata.creation_timestamp.as_deref())];
        if wide {
            let types: Vec<&str> = self.spec.auth.types.iter().map(|auth| auth.name.as_str()).collect();
            cells.push(if types.is_empty() { none() } else { types.join(",") });
        }
        cells
    }
}

fn none() -> String {
    "<none>".into()
}

/// The status and the reason of a condition.
fn state(conditions: &[Condition], condition_type: &str) -> (String, String) {
    match conditions.iter().find(|condition| condition.condition_type == condition_type) {
        Some(condition) => (format!("{:?}", condition.status), condition.reason.clone()),
        None => ("Unknown".into(), String::new()),
    }
}

/// As kubectl shortens it.
fn age(created: Option<&str>) -> String {
    let Some(created) = created.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok()) else { return "<unknown>".into() };
    let seconds = (OffsetDateTime::now_utc() - created).whole_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `whole`: nothing of the directory was left out.
fn print<R: Row>(arguments: &GetArgs, whole: bool, rows: Vec<R>) -> anyhow::Result<ExitCode> {
    let but_for = if whole { "" } else { "; it may be in what is not in force" };
    for name in &arguments.names {
        if !rows.iter().any(|row| row.name() == name) {
            bail!("{} {name:?} not found{but_for}", R::PLURAL);
        }
    }
    let rows: Vec<R> = rows.into_iter().filter(|row| arguments.names.is_empty() || arguments.names.iter().any(|name| name == row.name())).collect();
    let mut out = std::io::stdout().lock();
    match arguments.output {
        OutputArg::Table | OutputArg::Wide if rows.is_empty() => writeln!(std::io::stderr(), "{}", nothing_found::<R>(arguments))?,
        OutputArg::Table => out.write_all(table(&rows, false, arguments.all_namespaces).as_bytes())?,
        OutputArg::Wide => out.write_all(table(&rows, true, arguments.all_namespaces).as_bytes())?,
        OutputArg::Name => {
            for row in &rows {
                writeln!(out, "{}.connectors.alauda.io/{}", R::KIND, row.name())?;
            }
        }
        OutputArg::Json => {
            serde_json::to_writer_pretty(&mut out, &document(arguments, &rows)?)?;
            writeln!(out)?;
        }
        OutputArg::Yaml => out.write_all(yaml::write(&document(arguments, &rows)?)?.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// As kubectl says it.
fn nothing_found<R: Row>(arguments: &GetArgs) -> String {
    match R::NAMESPACED && !arguments.all_namespaces {
        true => format!("No resources found in {} namespace.", arguments.namespace),
        false => "No resources found".into(),
    }
}

/// One object if one was asked for by name; else a List.
fn document<R: Row>(arguments: &GetArgs, rows: &[R]) -> anyhow::Result<serde_json::Value> {
    match (arguments.names.as_slice(), rows) {
        ([_], [row]) => Ok(serde_json::to_value(row)?),
        _ => Ok(serde_json::json!({"apiVersion": "v1", "kind": "List", "items": rows})),
    }
}

fn table<R: Row>(rows: &[R], wide: bool, all_namespaces: bool) -> String {
    let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
    let with_namespace = all_namespaces && rows.iter().any(|row| row.namespace().is_some());
    let header = ["NAME"].iter().chain(R::HEADER).chain(if wide { R::WIDE } else { &[] }).map(|text| (*text).to_owned());
    lines.push(with_namespace.then(|| "NAMESPACE".to_owned()).into_iter().chain(header).collect());
    for row in rows {
        let namespace = with_namespace.then(|| row.namespace().unwrap_or_default().to_owned());
        lines.push(namespace.into_iter().chain([row.name().to_owned()]).chain(row.cells(wide)).collect());
    }
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("   ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(namespace: &str, name: &str) -> Connector {
        let mut connector = Connector::default();
        connector.metadata.namespace = namespace.into();
        connector.metadata.name = name.into();
        connector.spec.connector_class_name = "git".into();
        connector.spec.address = "https://git.example".into();
        connector
    }

    #[test]
    fn columns_line_up() {
        let rows = [connector("team-a", "git"), connector("b", "a-long-name")];
        assert_eq!(
            table(&rows, false, true),
            "NAMESPACE   NAME          CLASS   ADDRESS               READY     REASON   AGE\n\
             team-a      git           git     https://git.example   Unknown            <unknown>\n\
             b           a-long-name   git     https://git.example   Unknown            <unknown>\n"
        );
        assert!(table(&rows, true, false).starts_with(
            "NAME          CLASS   ADDRESS               READY     REASON   AGE         LIVENESS   AUTHENTICATED   PROXY    AUTH     SECRET   MESSAGE\n"
        ));
    }
}
