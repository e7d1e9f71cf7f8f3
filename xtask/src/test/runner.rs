//! Running a suite: its output is shown as it comes, and counted.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::cargo::Suite;
use super::report::Outcome;

/// How long a suite may take. The longest, with real clients, takes a quarter of it on two busy cores.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Runs it to its end, or to [`LIMIT`].
pub(super) fn run(suite: &Suite) -> Outcome {
    let began = Instant::now();
    let mut command = suite.command();
    // A group of its own, so that whatever it started can be ended with it.
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Outcome::failed(&suite.name, began.elapsed(), &error.into()),
    };
    let counts = count_in_background(child.stdout.take());
    let status = wait(&mut child, began + LIMIT);
    // What it started may have kept the output open; what came until now counts.
    let (passed, failed, ignored) = counts.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
    let mut outcome = Outcome::new(&suite.name, passed, failed, began.elapsed());
    outcome.left_out = ignored;
    match status {
        Some(status) if status.success() => {}
        // Its tests have said why already, unless it came to no result.
        Some(_) if failed > 0 => {}
        Some(status) => outcome.add_failure(format!("ended with {status}")),
        None => outcome.add_failure(format!("took longer than {} min, and was ended", LIMIT.as_secs() / 60)),
    }
    outcome
}

/// Waits for the child; ends its whole group at `deadline`.
fn wait(child: &mut Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        if Instant::now() > deadline {
            let group = Pid::from_child(child);
            let _ = kill_process_group(group, Signal::KILL);
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Shows the output, and at its end sends how many tests passed, failed and were left out.
fn count_in_background(output: Option<impl Read + Send + 'static>) -> mpsc::Receiver<(u32, u32, u32)> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut sum = (0, 0, 0);
        for line in output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n')).map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some((passed, failed, ignored)) = counts(&line) {
                sum = (sum.0 + passed, sum.1 + failed, sum.2 + ignored);
            }
        }
        let _ = send.send(sum);
    });
    receive
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
fn counts(line: &str) -> Option<(u32, u32, u32)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| counts.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
    Some((number("passed")?, number("failed")?, number("ignored")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_ends_a_test_program_is_read() {
        let line = "test result: FAILED. 19 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.07s";
        assert_eq!(counts(line), Some((19, 2, 1)));
        assert_eq!(counts("test tidy::tests ... ok"), None);
    }

    #[test]
    fn the_output_is_summed_up() {
        let output = "running\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n";
        assert_eq!(count_in_background(Some(output.as_bytes())).recv().unwrap(), (3, 0, 1));
    }
}
