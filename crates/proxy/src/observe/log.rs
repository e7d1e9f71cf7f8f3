//! The access log: lines of all cores, written by a thread of its own, so that a slow disk or a stuck pipe stops nobody.
//!
//! A core appends to a buffer of its own. The first line in an empty buffer tells the writer, who waits a moment for more to come, takes what is
//! there and writes it at once. So a busy core needs no system call for its records, and each record is visible soon.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a line may wait for others. Records are seen within this and the time of one write.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes that may wait on one core, some 8,000 lines; what comes on top is lost, since a stuck log must not stop the data path or take all memory.
const MAX_WAITING: usize = 4 * 1024 * 1024;
/// What a buffer that was emptied keeps of its memory.
const KEPT: usize = 256 * 1024;

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Log {
    writer: Sender<Message>,
}

/// One core's buffer.
#[derive(Debug)]
pub(super) struct CoreLog {
    buffer: Arc<Buffer>,
    writer: Sender<Message>,
}

/// The log can't be written fast enough.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// Held by one of two for an instant: by its core for a line, by the writer to take everything.
#[derive(Debug, Default)]
struct Buffer(Mutex<Vec<u8>>);

enum Message {
    /// That buffer isn't empty any more.
    Filled(Arc<Buffer>),
    /// Write now what is waiting, and say so.
    Flush(SyncSender<()>),
}

impl Log {
    /// Starts the writer. It ends when this and all that [`Log::core`] gave are gone, and everything is written.
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let (writer, messages) = channel();
        std::thread::spawn(move || write(out, &messages));
        Self { writer }
    }

    /// A buffer for one core.
    pub(super) fn core(&self) -> CoreLog {
        CoreLog { buffer: Arc::default(), writer: self.writer.clone() }
    }

    /// Waits until every line so far is written, but no longer than `within`. Tells whether that was reached.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let (done, is_done) = sync_channel(1);
        self.writer.send(Message::Flush(done)).is_ok() && is_done.recv_timeout(within).is_ok()
    }
}

impl CoreLog {
    /// Has `line` append one line, with its end.
    pub(super) fn append(&self, line: impl FnOnce(&mut Vec<u8>)) -> Result<(), Lost> {
        let was_empty = {
            let mut buffer = self.buffer.lock();
            if buffer.len() >= MAX_WAITING {
                return Err(Lost);
            }
            let was_empty = buffer.is_empty();
            line(&mut buffer);
            was_empty
        };
        match was_empty {
            true => self.writer.send(Message::Filled(self.buffer.clone())).map_err(|_| Lost),
            false => Ok(()),
        }
    }
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes can't be left in a state that is worse than half a line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(mut out: impl Write, messages: &Receiver<Message>) {
    let mut filled: Vec<Arc<Buffer>> = Vec::new();
    let mut batch = Vec::new();
    while let Ok(first) = messages.recv() {
        let done = gather(first, messages, &mut filled);
        for buffer in filled.drain(..) {
            // The core goes on with the memory of the last batch.
            std::mem::swap(&mut *buffer.lock(), &mut batch);
            // A log that can't be written (a closed pipe) is no reason to stop serving.
            let _ = out.write_all(&batch);
            batch.clear();
            batch.shrink_to(KEPT);
        }
        let _ = out.flush();
        if let Some(done) = done {
            // Who asked may have given up.
            let _ = done.try_send(());
        }
    }
}

/// Collects the buffers that have something in them, until the time is up or someone asks for what there is; then also whom to tell.
fn gather(first: Message, messages: &Receiver<Message>, filled: &mut Vec<Arc<Buffer>>) -> Option<SyncSender<()>> {
    let until = Instant::now() + GATHER;
    let mut message = Ok(first);
    loop {
        match message {
            Ok(Message::Filled(buffer)) => filled.push(buffer),
            Ok(Message::Flush(done)) => return Some(done),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
        message = messages.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Far more than any of these tests takes.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// Tells of each write, and waits for leave to go on.
    struct Gate {
        writes: Sender<Vec<u8>>,
        leave: Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.writes.send(bytes.to_vec());
            let _ = self.leave.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Gate, Receiver<Vec<u8>>, Sender<()>) {
        let (writes, written) = channel();
        let (pass, leave) = channel();
        (Gate { writes, leave }, written, pass)
    }

    fn line(text: &'static str) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    #[test]
    fn lines_of_all_cores_arrive_and_those_of_one_in_their_order() {
        let (gate, written, pass) = gate();
        let log = Log::new(gate);
        drop(pass);
        let cores = [log.core(), log.core()];
        for text in ["1\n", "2\n", "3\n"] {
            cores[0].append(line(text)).unwrap();
        }
        cores[1].append(line("other\n")).unwrap();
        assert!(log.flush(DEADLINE));
        let all: Vec<Vec<u8>> = written.try_iter().collect();
        let all = String::from_utf8(all.concat()).unwrap();
        assert!(all == "1\n2\n3\nother\n" || all == "other\n1\n2\n3\n", "{all}");
    }

    #[test]
    fn a_line_is_written_although_nothing_follows_it() {
        let (gate, written, _pass) = gate();
        let log = Log::new(gate);
        log.core().append(line("1\n")).unwrap();
        assert_eq!(written.recv_timeout(DEADLINE).unwrap(), b"1\n");
    }

    #[test]
    fn what_is_left_is_written_when_everyone_is_gone() {
        let (gate, written, pass) = gate();
        let log = Log::new(gate);
        drop(pass);
        let core = log.core();
        core.append(line("1\n")).unwrap();
        drop((core, log));
        // Ends when the writer has ended.
        assert_eq!(written.iter().collect::<Vec<_>>(), [b"1\n"]);
    }

    #[test]
    fn a_stuck_log_costs_lines_beyond_a_bound_and_stops_nobody() {
        let (gate, written, pass) = gate();
        let log = Log::new(gate);
        let core = log.core();
        core.append(line("first\n")).unwrap();
        assert_eq!(written.recv_timeout(DEADLINE).unwrap(), b"first\n");
        // The writer is stuck in that write now.
        let kilobyte = |out: &mut Vec<u8>| out.extend_from_slice(&[b'x'; 1024]);
        let taken = (0..).take_while(|_| core.append(kilobyte) == Ok(())).count();
        assert_eq!(taken, MAX_WAITING / 1024);
        assert!(!log.flush(Duration::from_millis(1)));
        drop(pass);
        assert!(log.flush(DEADLINE));
        assert_eq!(written.try_iter().map(|write| write.len()).sum::<usize>(), MAX_WAITING);
        assert_eq!(core.append(kilobyte), Ok(()));
    }
}
