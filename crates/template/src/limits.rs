//! What one rendering may cost.

use std::time::Duration;

use crate::error::Failure;

/// Bounds on one rendering. Each ends in an [`Error`](crate::Error) of kind [`Limit`](crate::ErrorKind::Limit) that names it.
///
/// The defaults are generous for what a probe or a configuration needs, and small for a machine: whatever a template
/// does ends within a fraction of a second and some tens of MiB. Only key generation takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that are rendered. 4 MiB.
    pub output_bytes: usize,
    /// Bytes that all values made while rendering take together, whether they are still in use or not. 16 MiB.
    pub value_bytes: usize,
    /// Actions and iterations. 1,000,000; a call counts for four, and for more where the function has much to read.
    pub steps: u64,
    /// Templates that execute one another. 10,000, where Go stops at 100,000.
    pub template_depth: usize,
    /// Functions that are slow on purpose: `bcrypt`, `htpasswd`, `derivePassword`, and those that make keys. 8.
    pub slow_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output_bytes: 4 << 20, value_bytes: 16 << 20, steps: 1_000_000, template_depth: 10_000, slow_calls: 8 }
    }
}

/// Nesting of values that printing, copying, comparing and encoding follow. The stack of a thread has 2 MiB, also in
/// debug builds, where a level takes the most of it; a value that contains itself ends here too.
pub(crate) const MAX_VALUE_DEPTH: usize = 1_500;

/// Parentheses within parentheses, and data within data in `fromJson`, for the same reason.
pub(crate) const MAX_NESTING: usize = 1_200;

/// What a rendering has left.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    steps: u64,
    value_bytes: usize,
    slow_calls: u32,
}

/// Steps are counted once for so many bytes that a function reads or makes: about what an action costs.
const BYTES_A_STEP: usize = 256;

/// And once for so much time, where nothing else tells of it.
const NANOSECONDS_A_STEP: u64 = 50;
const LONGEST_WORK: Duration = Duration::from_millis(10);

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, steps: limits.steps, value_bytes: limits.value_bytes, slow_calls: limits.slow_calls }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// One action, iteration or call.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<(), Failure> {
        match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(self.out_of_steps()),
        }
    }

    /// Work that grows with what is read.
    pub(crate) fn work(&mut self, bytes: usize) -> Result<(), Failure> {
        self.steps((bytes / BYTES_A_STEP) as u64)
    }

    /// Work that only its time tells of. A moment in which the thread had to wait for a processor isn't held against it in full.
    pub(crate) fn worked(&mut self, time: Duration) -> Result<(), Failure> {
        self.steps(time.min(LONGEST_WORK).as_nanos() as u64 / NANOSECONDS_A_STEP)
    }

    pub(crate) fn steps_left(&self) -> u64 {
        self.steps
    }

    /// So many steps.
    pub(crate) fn steps(&mut self, steps: u64) -> Result<(), Failure> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(self.out_of_steps()),
        }
    }

    /// A value of so many bytes is about to be made.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(), Failure> {
        match self.value_bytes.checked_sub(bytes) {
            Some(left) => {
                self.value_bytes = left;
                self.work(bytes)
            }
            None => Err(self.out_of_memory()),
        }
    }

    /// The most bytes that one value may still have.
    pub(crate) fn room(&self) -> usize {
        self.value_bytes
    }

    pub(crate) fn slow_call(&mut self) -> Result<(), Failure> {
        match self.slow_calls.checked_sub(1) {
            Some(left) => {
                self.slow_calls = left;
                Ok(())
            }
            None => Err(Failure::Limit(format!("more than {} calls of functions that make keys or hash passwords", self.limits.slow_calls))),
        }
    }

    #[cold]
    fn out_of_steps(&self) -> Failure {
        Failure::Limit(format!("more than {} steps", self.limits.steps))
    }

    #[cold]
    pub(crate) fn out_of_memory(&self) -> Failure {
        Failure::Limit(format!("the values made take more than {} bytes", self.limits.value_bytes))
    }
}

/// A value is nested too deeply to be followed, or contains itself.
#[cold]
pub(crate) fn too_deep() -> Failure {
    Failure::Limit(format!("the value is nested more than {MAX_VALUE_DEPTH} levels deep, or contains itself"))
}
