//! What processes use, as the kernel counts it (proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Ticks a second in `/proc/PID/stat`; the same on every Linux since 2.6 (USER_HZ).
const TICKS_A_SECOND: u64 = 100;

/// ESRCH on Linux (errno(3)), for which `ErrorKind` has no name.
const NO_SUCH_PROCESS: i32 = 3;

/// `process` and those that it started.
pub(super) fn family(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let mut family = vec![process];
    for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
        family.extend(self::family(child));
    }
    family
}

/// What the threads of some processes have had of the CPUs until now, to the nanosecond: `/proc/PID/task/*/schedstat`.
///
/// A thread that has ended isn't in it any more; none of the servers measured here ends threads while it serves.
pub(super) struct Threads {
    /// By id: time on a CPU, user and system, and time waiting for one.
    times: BTreeMap<u32, (Duration, Duration)>,
}

impl Threads {
    /// Of all threads of these processes.
    pub(super) fn of(processes: &[u32]) -> anyhow::Result<Self> {
        let mut times = BTreeMap::new();
        for process in processes {
            let folder = format!("/proc/{process}/task");
            for thread in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
                let path = thread?.path();
                let id = path.file_name().and_then(|name| name.to_str()?.parse().ok()).with_context(|| format!("{} is no thread", path.display()))?;
                let text = match fs::read_to_string(path.join("schedstat")) {
                    Ok(text) => text,
                    // The folder still lists a thread that ends while it is read.
                    Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) || !path.exists() => continue,
                    Err(error) => return Err(error).with_context(|| format!("no schedstat in {} (CONFIG_SCHED_INFO)", path.display())),
                };
                times.insert(id, running_and_waiting(&text).with_context(|| format!("{}: {text:?}", path.display()))?);
            }
        }
        Ok(Self { times })
    }

    /// CPU time since `before`, of all of them.
    pub(super) fn cpu_since(&self, before: &Self) -> Duration {
        self.since(before).map(|(running, _)| running).sum()
    }

    /// Time on a CPU or waiting for one since `before`, of the `count` threads with the most of it.
    pub(super) fn busiest_since(&self, before: &Self, count: usize) -> Duration {
        let mut busy: Vec<Duration> = self.since(before).map(|(running, waiting)| running + waiting).collect();
        busy.sort_by(|a, b| b.cmp(a));
        busy.into_iter().take(count).sum()
    }

    fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (Duration, Duration)> {
        self.times.iter().map(|(id, (running, waiting))| {
            let (running_before, waiting_before) = before.times.get(id).copied().unwrap_or_default();
            (running.saturating_sub(running_before), waiting.saturating_sub(waiting_before))
        })
    }
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

/// The first two numbers of a `schedstat`.
fn running_and_waiting(schedstat: &str) -> Option<(Duration, Duration)> {
    let mut numbers = schedstat.split_whitespace().map(|number| number.parse().ok().map(Duration::from_nanos));
    Some((numbers.next()??, numbers.next()??))
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
    fn threads_that_end_meanwhile_do_not_matter() {
        let own = [std::process::id()];
        let enders = std::thread::spawn(|| (0..500).for_each(|_| std::thread::spawn(|| ()).join().unwrap()));
        while !enders.is_finished() {
            Threads::of(&own).unwrap();
        }
        enders.join().unwrap();
    }

    #[test]
    fn a_process_finds_itself() {
        let own = [std::process::id()];
        assert!(family(own[0]).contains(&own[0]));
        assert!(memory(&own).unwrap() > 0);
        assert!(cpu_since_start(own[0]).unwrap() < Duration::from_secs(3600));
        assert!(!Threads::of(&own).unwrap().times.is_empty());
    }

    #[test]
    fn threads_are_compared_one_by_one() {
        let threads = |times: &[(u32, u64, u64)]| {
            let milliseconds = |&(id, running, waiting): &_| (id, (Duration::from_millis(running), Duration::from_millis(waiting)));
            Threads { times: times.iter().map(milliseconds).collect() }
        };
        let (before, after) = (threads(&[(1, 100, 0), (2, 100, 50)]), threads(&[(1, 110, 5), (2, 130, 50), (3, 1, 1)]));
        assert_eq!(after.cpu_since(&before), Duration::from_millis(41));
        assert_eq!(after.busiest_since(&before, 1), Duration::from_millis(30));
        assert_eq!(after.busiest_since(&before, 2), Duration::from_millis(45));
        assert_eq!(running_and_waiting("306314100 81684192 30\n"), Some((Duration::from_nanos(306_314_100), Duration::from_nanos(81_684_192))));
    }
}
