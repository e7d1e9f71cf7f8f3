//! The conditions that a running proxy knows: as JSON on its admin port, as metrics, and for `connectors get`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connectors_core::{Host, Origin, Scheme, TrustRoots};
use connectors_crd::ConditionStatus;
use connectors_net::{ClientTls, Dialer, Guard};
use connectors_probe::{Board, ClassRow, ConnectorRow, Prober, Rows};
use connectors_standalone::Directory;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::exec::reachable;

/// Where they are on the admin port.
pub(crate) const PATH: &str = "/conditions";

/// How long `get` waits for a proxy that runs on this machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// A list of what tens of thousands of Connectors are like.
const MOST: usize = 64 * 1024 * 1024;

/// What is known now: what was probed, or, if nothing is, what the manifests alone say.
#[derive(Clone)]
pub(crate) struct Conditions {
    directory: Arc<Directory>,
    board: Option<Board>,
}

impl Conditions {
    pub(crate) fn new(directory: Arc<Directory>, board: Option<Board>) -> Self {
        Self { directory, board }
    }

    /// All of them.
    pub(crate) fn rows(&self) -> Rows {
        if let Some(board) = &self.board {
            return board.rows();
        }
        let classes = self
            .directory
            .classes()
            .into_iter()
            .map(|class| ClassRow { name: class.metadata.name, conditions: class.status.map(|status| status.conditions).unwrap_or_default() });
        let connectors = self.directory.connectors().into_iter().map(|connector| ConnectorRow {
            namespace: connector.metadata.namespace,
            name: connector.metadata.name,
            conditions: connector.status.map(|status| status.conditions).unwrap_or_default(),
        });
        Rows { classes: classes.collect(), connectors: connectors.collect() }
    }
}

/// Asks a proxy that runs on this machine. `None` if it doesn't answer, or not in these words.
pub(crate) fn of_running(admin: SocketAddr) -> Option<Rows> {
    let admin = reachable(admin);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let prober = Prober::new(Dialer::new(Guard::default(), ClientTls::without_system_roots(), PATIENCE), PATIENCE);
    let origin = Origin::new(Scheme::Http, Host::Ip(admin.ip()), Some(admin.port()));
    let answer = runtime.block_on(prober.get(&origin, PATH, &TrustRoots::default(), Some(MOST))).ok()?;
    (answer.status == 200).then_some(())?;
    serde_json::from_slice(&answer.body).ok()
}

/// One gauge a condition: 1 if it is True, 0 if False, -1 if Unknown. And how the probes went.
pub(crate) struct ConditionMetrics(pub(crate) Conditions);

impl fmt::Debug for ConditionMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConditionMetrics")
    }
}

impl Collector for ConditionMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Where nothing is probed nothing is kept up to date either.
        let Some(board) = &self.0.board else { return Ok(()) };
        let value = |status: ConditionStatus| match status {
            ConditionStatus::True => ConstGauge::new(1),
            ConditionStatus::False => ConstGauge::new(0),
            ConditionStatus::Unknown => ConstGauge::new(-1),
        };
        let mut family =
            encoder.encode_descriptor("connectors_connector_condition", "A Connector's condition: 1 True, 0 False, -1 Unknown", None, MetricType::Gauge)?;
        board.visit_connectors(|namespace, name, conditions| {
            conditions.iter().try_for_each(|condition| {
                let labels = [("namespace", namespace), ("connector", name), ("condition", &condition.condition_type)];
                value(condition.status).encode(family.encode_family(&labels)?)
            })
        })?;
        let mut family =
            encoder.encode_descriptor("connectors_class_condition", "A ConnectorClass's condition: 1 True, 0 False, -1 Unknown", None, MetricType::Gauge)?;
        board.visit_classes(|name, conditions| {
            conditions.iter().try_for_each(|condition| {
                let labels = [("class", name), ("condition", &condition.condition_type)];
                value(condition.status).encode(family.encode_family(&labels)?)
            })
        })?;
        let mut family = encoder.encode_descriptor("connectors_probes", "Probes that were run, by what they found", None, MetricType::Counter)?;
        for ((probe, outcome), count) in board.counts() {
            let labels = [("probe", probe), ("outcome", outcome)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
