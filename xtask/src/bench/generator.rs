//! Making load: wrk for HTTP/1.1, h2load for HTTP/2.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::cpus::{Cpus, Side};
use super::load::{Load, STREAMS, Way};

/// How long an answer may take until wrk calls it an error; 100 MB take a while.
const PATIENCE: &str = "60s";

/// wrk prints rounded numbers; these are not.
const SCRIPT: &str = r#"done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("exactly %d %d %d %d", summary.requests, summary.bytes, summary.duration, failed))
end
"#;

/// What the generator saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) requests: u64,
    /// Everything it received, heads and unfinished answers included. Not known of HTTP/2.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
}

/// A request, and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    pub(super) address: SocketAddr,
    pub(super) host: String,
    /// Not sent where the CONNECT had it.
    pub(super) token: Option<String>,
}

/// Runs the generators.
pub(super) struct Generator {
    cpus: Cpus,
    script: PathBuf,
}

impl Generator {
    /// Its files are in `folder`.
    pub(super) fn create(folder: &Path, cpus: Cpus) -> anyhow::Result<Self> {
        let script = folder.join("exactly.lua");
        std::fs::write(&script, SCRIPT)?;
        Ok(Self { cpus, script })
    }

    /// Makes a load for so long, and calls `halfway` in the middle of it.
    pub(super) fn run(&self, load: &Load, aim: &Aim, seconds: u32, halfway: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Seen> {
        let mut command = if load.way == Way::Http2 { self.h2load(load, aim, seconds) } else { self.wrk(load, aim, seconds) };
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("cannot run {}", command.get_program().display()))?;
        std::thread::sleep(Duration::from_millis(u64::from(seconds) * 500));
        let middle = halfway();
        let output = output(child)?;
        middle?;
        let seen = if load.way == Way::Http2 { read_h2load(&output, seconds) } else { read_wrk(&output) };
        seen.with_context(|| format!("{}: {output}", load.name()))
    }

    fn wrk(&self, load: &Load, aim: &Aim, seconds: u32) -> Command {
        let mut command = self.cpus.command(Side::Around, "wrk");
        let scheme = if load.way == Way::Intercepted { "https" } else { "http" };
        command.args(["-t", "1", "-c", &load.connections.to_string(), "-d", &format!("{seconds}s"), "--timeout", PATIENCE, "-s"]).arg(&self.script);
        command.args(["-H", &format!("Host: {}", aim.host)]);
        if let Some(token) = &aim.token {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        if load.way == Way::NewConnections {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(format!("{scheme}://{}{}", aim.address, load.body.path()));
        command
    }

    fn h2load(&self, load: &Load, aim: &Aim, seconds: u32) -> Command {
        let mut command = self.h2load_to(load, aim);
        command.args(["-c", &load.connections.to_string(), "-m", &STREAMS.to_string(), "-D", &seconds.to_string()]);
        command
    }

    fn h2load_to(&self, load: &Load, aim: &Aim) -> Command {
        let mut command = self.cpus.command(Side::Around, "h2load");
        command.args(["-t", "1", &format!("--connect-to={}", aim.address)]);
        if let Some(token) = &aim.token {
            command.args(["-H", &format!("authorization: Bearer {token}")]);
        }
        command.arg(format!("http://{}{}", aim.host, load.body.path()));
        command
    }

    /// Whether one request is answered by HTTP/2.
    pub(super) fn speaks_http2(&self, load: &Load, aim: &Aim) -> anyhow::Result<bool> {
        let mut command = self.h2load_to(load, aim);
        let output = command.args(["-n", "1", "-c", "1", "-N", "5s"]).stdin(Stdio::null()).output().context("cannot run h2load")?;
        Ok(read_h2load(&String::from_utf8_lossy(&output.stdout), 1).is_ok())
    }
}

fn output(child: Child) -> anyhow::Result<String> {
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("the load generator failed ({}): {text}", output.status);
    }
    Ok(text)
}

fn read_wrk(output: &str) -> anyhow::Result<Seen> {
    let line = output.lines().find_map(|line| line.strip_prefix("exactly ")).context("wrk gave no result")?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let &[requests, bytes, microseconds, failed] = numbers.as_slice() else { bail!("wrk gave no result") };
    if failed > 0 || bytes == 0 {
        bail!("{failed} of {requests} requests failed");
    }
    Ok(Seen { requests, bytes, seconds: microseconds as f64 / 1e6 })
}

fn read_h2load(output: &str, seconds: u32) -> anyhow::Result<Seen> {
    let line = output.lines().find_map(|line| line.strip_prefix("status codes: ")).context("h2load gave no result")?;
    let counts: Vec<u64> = line.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
    let &[good, redirects, bad, failed] = counts.as_slice() else { bail!("h2load gave no result") };
    if redirects + bad + failed > 0 || good == 0 {
        bail!("{} of {} requests failed", redirects + bad + failed, good + redirects + bad + failed);
    }
    Ok(Seen { requests: good, bytes: 0, seconds: seconds.into() })
}

/// For how long something ran.
pub(super) fn timed<T>(run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Duration)> {
    let began = Instant::now();
    Ok((run()?, began.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let output = "Running 2s test\n  100 requests in 2.00s\nexactly 100 9000 2000000 0\n";
        assert_eq!(read_wrk(output).unwrap(), Seen { requests: 100, bytes: 9000, seconds: 2.0 });
        assert_eq!(read_wrk("exactly 100 9000 2000000 3\n").unwrap_err().to_string(), "3 of 100 requests failed");
        assert!(read_wrk("unable to connect").is_err());
    }

    #[test]
    fn what_h2load_says_is_read() {
        let output = "requests: 50 total\nstatus codes: 50 2xx, 0 3xx, 0 4xx, 0 5xx\ntraffic: 1KB\n";
        assert_eq!(read_h2load(output, 2).unwrap().requests, 50);
        assert!(read_h2load("status codes: 49 2xx, 0 3xx, 1 4xx, 0 5xx\n", 2).is_err());
        assert!(read_h2load("status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx\n", 2).is_err());
    }
}
