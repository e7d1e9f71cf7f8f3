//! What processes use, as the kernel counts it (proc(5)).

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Ticks a second in `/proc/PID/stat`; the same on every Linux since 2.6 (USER_HZ).
const TICKS_A_SECOND: u64 = 100;

/// `process` and those that it started.
pub(super) fn family(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let mut family = vec![process];
    for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
        family.extend(self::family(child));
    }
    family
}

/// The CPU time of every thread of these processes until now, user and system, to the nanosecond: `/proc/PID/task/*/schedstat`.
///
/// A thread that has ended isn't in it any more; none of the servers measured here ends threads while it serves.
pub(super) fn cpu(processes: &[u32]) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for process in processes {
        let folder = format!("/proc/{process}/task");
        for thread in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
            let path = thread?.path().join("schedstat");
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {} (CONFIG_SCHED_INFO)", path.display()))?;
            nanoseconds += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).with_context(|| format!("{}: {text:?}", path.display()))?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The CPU time of a process since it started, threads that have ended included, to 10 ms: `/proc/PID/stat`.
pub(super) fn cpu_since_start(process: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks(&text).with_context(|| format!("{path}: {text:?}"))?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}

/// The memory of these processes in bytes; what they share with others counts in proportion (PSS): `/proc/PID/smaps_rollup`.
pub(super) fn memory(processes: &[u32]) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for process in processes {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        bytes += pss(&text).with_context(|| format!("{path} has no Pss"))? * 1024;
    }
    Ok(bytes)
}

/// User and system time of a `stat` line. The name in parentheses may have anything in it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// In KiB.
fn pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "14432 (a) b) S 14424 14424 26850 0 -1 4194304 87 77 0 0 30 12 0 0 20 0 1 0 1601291 2654208 395";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(pss("55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss: 1804 kB\nPss:                 161 kB\nPss_Dirty: 9 kB\n"), Some(161));
    }

    #[test]
    fn a_process_finds_itself() {
        let own = [std::process::id()];
        assert!(family(own[0]).contains(&own[0]));
        assert!(memory(&own).unwrap() > 0);
        let before = cpu(&own).unwrap();
        let mut sum = 0_u64;
        while cpu(&own).unwrap() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_since_start(own[0]).unwrap() < Duration::from_secs(3600));
    }
}
