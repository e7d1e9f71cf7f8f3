//! What a process uses, as the kernel counts it (proc(5)).

use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The memory of a process in bytes; what it shares with others counts in proportion (PSS). Buffers in the kernel aren't in it.
#[track_caller]
pub fn memory(process: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The files, sockets among them, that a process has open: their paths, or what stands for one, such as `socket:[1234]`.
#[track_caller]
pub fn open_files(process: u32) -> Vec<PathBuf> {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    // One that has been closed meanwhile has no path any more.
    files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok()).collect()
}

/// Has this process, and those that it starts, open `count` files; fails where the administrator's limit is lower.
#[track_caller]
pub fn allow_open_files(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    assert!(
        limit.maximum.is_none_or(|maximum| maximum >= count),
        "this test opens {count} files, and the hard limit is {}: raise it (ulimit -Hn, LimitNOFILE=)",
        limit.maximum.unwrap_or_default()
    );
    if limit.current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit }).unwrap();
    }
}
