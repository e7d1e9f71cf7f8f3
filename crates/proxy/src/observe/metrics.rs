//! Metrics, counted by each core for itself and summed up when someone asks.
//!
//! So counting takes no lock and hardly a look-up, and cores don't fight over cache lines: what changes with every request is written by one core.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::{AnsweredBy, Mode, Times};

/// Upper bounds of the histograms' buckets, from half a millisecond to half a minute. One more bucket has what took longer.
const BOUNDS: [Duration; 15] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// By status class, `none` first.
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counts of all cores.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics(Arc<Mutex<Vec<Series>>>);

/// One core's counts. Not `Sync`, so only its core counts.
#[derive(Debug)]
pub(super) struct CoreMetrics {
    all: Metrics,
    active: Arc<Active>,
    /// Few enough that looking at each is cheaper than hashing. What is asked for often moves to the front.
    classes: RefCell<Vec<(Box<str>, ByMode)>>,
}

/// Made when first used.
type ByMode = [Option<Arc<Counts>>; Mode::ALL.len()];

/// What a request adds.
pub(super) struct Sample<'a> {
    pub(super) class: &'a str,
    pub(super) mode: Mode,
    pub(super) status: u16,
    pub(super) answered_by: AnsweredBy,
    pub(super) times: Times,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// What one core has counted.
#[derive(Debug)]
enum Series {
    Active(Arc<Active>),
    Requests { class: Box<str>, mode: Mode, counts: Arc<Counts> },
}

/// Only one core adds to it, so adding takes no locked instruction.
#[derive(Debug, Default)]
struct Count(AtomicU64);

/// Requests in flight, on cache lines of its own; two, because the processor fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Active {
    begun: Count,
    finished: Count,
}

/// Of one class in one mode.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    requests: [[Count; AnsweredBy::ALL.len()]; STATUSES.len()],
    total: Histogram,
    ttfb: Histogram,
    auth: Histogram,
    bytes_in: Count,
    bytes_out: Count,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [Count; BOUNDS.len() + 1],
    nanoseconds: Count,
}

impl Metrics {
    /// For one more core.
    pub(super) fn core(&self) -> CoreMetrics {
        let active = Arc::<Active>::default();
        self.add(Series::Active(active.clone()));
        CoreMetrics { all: self.clone(), active, classes: RefCell::default() }
    }

    fn add(&self, series: Series) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(series);
    }

    /// The sums over all cores.
    fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for series in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            match series {
                // Another core's numbers may be read in the middle of a request; one that has finished has begun.
                Series::Active(active) => {
                    let finished = active.finished.get();
                    sums.active += active.begun.get().saturating_sub(finished);
                }
                Series::Requests { class, mode, counts } => {
                    sums.requests.entry((class.clone(), mode.as_str())).or_default().add(counts);
                }
            }
        }
        sums
    }
}

impl CoreMetrics {
    /// A request has begun.
    pub(super) fn begin(&self) {
        self.active.begun.add(1);
    }

    /// A request has ended.
    pub(super) fn finish(&self, sample: &Sample<'_>) {
        self.active.finished.add(1);
        let mut classes = self.classes.borrow_mut();
        let mut at = match classes.iter().position(|(class, _)| **class == *sample.class) {
            Some(at) => at,
            None => {
                classes.push((sample.class.into(), Default::default()));
                classes.len() - 1
            }
        };
        if at > 0 {
            classes.swap(at - 1, at);
            at -= 1;
        }
        let counts = classes[at].1[sample.mode as usize].get_or_insert_with(|| {
            let counts = Arc::<Counts>::default();
            self.all.add(Series::Requests { class: sample.class.into(), mode: sample.mode, counts: counts.clone() });
            counts
        });
        counts.finish(sample);
    }
}

impl Counts {
    fn finish(&self, sample: &Sample<'_>) {
        let status = usize::from(sample.status / 100);
        let status = if status < STATUSES.len() { status } else { 0 };
        self.requests[status][sample.answered_by as usize].add(1);
        self.total.observe(sample.times.total);
        if let Some(ttfb) = sample.times.ttfb {
            self.ttfb.observe(ttfb);
        }
        if let Some(auth) = sample.times.auth {
            self.auth.observe(auth);
        }
        self.bytes_in.add(sample.bytes_in);
        self.bytes_out.add(sample.bytes_out);
    }
}

impl Histogram {
    fn observe(&self, nanoseconds: u64) {
        // Most requests are short, so most searches end soon.
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= bound.as_nanos() as u64).unwrap_or(BOUNDS.len());
        self.buckets[bucket].add(1);
        self.nanoseconds.add(nanoseconds);
    }
}

impl Count {
    fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is shown.
#[derive(Default)]
struct Sums {
    active: u64,
    requests: BTreeMap<(Box<str>, &'static str), Sum>,
}

#[derive(Default)]
struct Sum {
    requests: [[u64; AnsweredBy::ALL.len()]; STATUSES.len()],
    total: HistogramSum,
    ttfb: HistogramSum,
    auth: HistogramSum,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Default)]
struct HistogramSum {
    buckets: [u64; BOUNDS.len() + 1],
    nanoseconds: u64,
}

impl Sum {
    fn add(&mut self, counts: &Counts) {
        for (sum, count) in self.requests.as_flattened_mut().iter_mut().zip(counts.requests.as_flattened()) {
            *sum += count.get();
        }
        self.total.add(&counts.total);
        self.ttfb.add(&counts.ttfb);
        self.auth.add(&counts.auth);
        self.bytes_in += counts.bytes_in.get();
        self.bytes_out += counts.bytes_out.get();
    }
}

impl HistogramSum {
    fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += count.get();
        }
        self.nanoseconds = self.nanoseconds.wrapping_add(histogram.nanoseconds.get());
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    class: String,
    mode: &'static str,
    status: &'static str,
    answered_by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassMode {
    class: String,
    mode: &'static str,
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sums = self.sums();
        sums.requests(&mut encoder)?;
        sums.histogram(&mut encoder, "request_duration", "From the request's head to the end of the answer.", |sum| &sum.total)?;
        sums.histogram(&mut encoder, "upstream_ttfb", "From the request's head to the head of the tool's answer.", |sum| &sum.ttfb)?;
        sums.histogram(&mut encoder, "auth_duration", "From the request's head to the permission.", |sum| &sum.auth)?;
        sums.bytes(&mut encoder, "request_body", "Bytes of request bodies read from callers.", |sum| sum.bytes_in)?;
        sums.bytes(&mut encoder, "response_body", "Bytes of answer bodies read from tools.", |sum| sum.bytes_out)?;
        let active = ConstGauge::new(i64::try_from(sums.active).unwrap_or(i64::MAX));
        active.encode(encoder.encode_descriptor("active_requests", "Requests in flight.", None, MetricType::Gauge)?)
    }
}

impl Sums {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests by class, mode, status class and who answered.";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for ((class, mode), sum) in &self.requests {
            for (by_answerer, status) in sum.requests.iter().zip(STATUSES) {
                for (count, answered_by) in by_answerer.iter().zip(AnsweredBy::ALL).filter(|(count, _)| **count > 0) {
                    let labels = Labels { class: (**class).into(), mode, status, answered_by: answered_by.as_str() };
                    family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
                }
            }
        }
        Ok(())
    }

    fn histogram(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, which: impl Fn(&Sum) -> &HistogramSum) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, histogram) in self.by_class_and_mode(which) {
            let count = histogram.buckets.iter().sum();
            if count == 0 {
                continue;
            }
            let bounds = BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(histogram.buckets).collect();
            let seconds = Duration::from_nanos(histogram.nanoseconds).as_secs_f64();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)?;
        }
        Ok(())
    }

    fn bytes(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, which: impl Fn(&Sum) -> u64) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        for (labels, bytes) in self.by_class_and_mode(which) {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&bytes, None)?;
        }
        Ok(())
    }

    fn by_class_and_mode<'a, T>(&'a self, which: impl Fn(&'a Sum) -> T) -> impl Iterator<Item = (ClassMode, T)> {
        self.requests.iter().map(move |((class, mode), sum)| (ClassMode { class: (**class).into(), mode }, which(sum)))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    const TIMES: Times = Times { total: 1_500_000, ttfb: Some(500_000), auth: None };

    fn sample(class: &str) -> Sample<'_> {
        Sample { class, mode: Mode::Reverse, status: 200, answered_by: AnsweredBy::Tool, times: TIMES, bytes_in: 1, bytes_out: 10 }
    }

    fn page(metrics: &Metrics) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics.clone()));
        let mut page = String::new();
        text::encode(&mut page, &registry).unwrap();
        page
    }

    #[track_caller]
    fn assert_has(page: &str, lines: &[&str]) {
        for line in lines {
            assert!(page.lines().any(|other| other == *line), "{line} isn't in {page}");
        }
    }

    #[test]
    fn cores_count_for_themselves_and_are_shown_as_one() {
        let metrics = Metrics::default();
        let cores = [metrics.core(), metrics.core()];
        for core in &cores {
            core.begin();
            core.begin();
            core.finish(&sample("git"));
        }
        cores[0].finish(&Sample { status: 404, ..sample("git") });
        let page = page(&metrics);
        assert_has(
            &page,
            &[
                "# HELP requests Requests by class, mode, status class and who answered.",
                "# TYPE requests counter",
                r#"requests_total{class="git",mode="reverse",status="2xx",answered_by="tool"} 2"#,
                r#"requests_total{class="git",mode="reverse",status="4xx",answered_by="tool"} 1"#,
                "# TYPE request_duration_seconds histogram",
                "# UNIT request_duration_seconds seconds",
                r#"request_duration_seconds_sum{class="git",mode="reverse"} 0.0045"#,
                r#"request_duration_seconds_count{class="git",mode="reverse"} 3"#,
                r#"request_duration_seconds_bucket{le="0.001",class="git",mode="reverse"} 0"#,
                r#"request_duration_seconds_bucket{le="0.0025",class="git",mode="reverse"} 3"#,
                r#"request_duration_seconds_bucket{le="+Inf",class="git",mode="reverse"} 3"#,
                // A bucket's bound belongs to it.
                r#"upstream_ttfb_seconds_bucket{le="0.0005",class="git",mode="reverse"} 3"#,
                r#"request_body_bytes_total{class="git",mode="reverse"} 3"#,
                r#"response_body_bytes_total{class="git",mode="reverse"} 30"#,
                "active_requests 1",
            ],
        );
        assert!(!page.contains("auth_duration_seconds_count"), "nothing was observed: {page}");
    }

    #[test]
    fn classes_keep_their_counts_wherever_they_stand() {
        let metrics = Metrics::default();
        let core = metrics.core();
        for _ in 0..3 {
            for class in ["a", "b", "c", "", "a"] {
                core.begin();
                core.finish(&sample(class));
                core.begin();
                core.finish(&Sample { mode: Mode::Forward, status: 999, answered_by: AnsweredBy::Nobody, ..sample(class) });
            }
        }
        let page = page(&metrics);
        for (class, count) in [("a", 6), ("b", 3), ("c", 3), ("", 3)] {
            assert_has(
                &page,
                &[
                    &format!(r#"requests_total{{class="{class}",mode="reverse",status="2xx",answered_by="tool"}} {count}"#),
                    &format!(r#"requests_total{{class="{class}",mode="forward",status="none",answered_by="nobody"}} {count}"#),
                ],
            );
        }
        assert_has(&page, &["active_requests 0"]);
    }

    #[test]
    fn what_takes_very_long_has_a_bucket_too() {
        let metrics = Metrics::default();
        metrics.core().finish(&Sample { times: Times { total: 31_000_000_000, ..TIMES }, ..sample("") });
        assert_has(
            &page(&metrics),
            &[
                r#"request_duration_seconds_bucket{le="30.0",class="",mode="reverse"} 0"#,
                r#"request_duration_seconds_bucket{le="+Inf",class="",mode="reverse"} 1"#,
            ],
        );
    }
}
