//! How the directory stands, as metrics.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use connectors_standalone::Directory;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the directory's counters whenever metrics are asked for.
pub(crate) struct DirectoryMetrics(pub(crate) Arc<Directory>);

impl fmt::Debug for DirectoryMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectoryMetrics")
    }
}

impl Collector for DirectoryMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.status();
        let last_reload = status.last_reload.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let gauges = [
            ("files", "Files read as manifests", status.files),
            ("objects", "Objects in force", status.objects),
            ("broken_files", "Files whose latest content is not in force because of errors", status.broken),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(&format!("connectors_directory_{name}"), help, None, gauge.metric_type())?)?;
        }
        let time = ConstGauge::new(last_reload);
        time.encode(encoder.encode_descriptor(
            "connectors_directory_last_reload_timestamp_seconds",
            "When what is in force last changed",
            None,
            time.metric_type(),
        )?)?;
        let reloads = ConstCounter::new(status.reloads);
        reloads.encode(encoder.encode_descriptor("connectors_directory_reloads", "How often what is in force has changed", None, reloads.metric_type())?)
    }
}
