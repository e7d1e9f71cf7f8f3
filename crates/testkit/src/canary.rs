//! Secrets that must not turn up.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A writer whose output can be read.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails if `text` has one of the secrets in it, plain, or in base64 at any of the three alignments.
#[track_caller]
pub fn assert_absent(place: &str, text: &str, secrets: &[impl AsRef<str>]) {
    for secret in secrets {
        let secret = secret.as_ref();
        assert!(!text.contains(secret), "{place} has a secret in it: {text}");
        for lead in 0..3 {
            let mut bytes = vec![b' '; lead];
            bytes.extend_from_slice(secret.as_bytes());
            // The digits that don't depend on what stands before or after.
            let encoded = STANDARD.encode(&bytes);
            let whole = &encoded[(lead * 4).div_ceil(3)..(bytes.len() * 4 / 3).saturating_sub(1)];
            assert!(whole.len() < 8 || !text.contains(whole), "{place} has a secret in base64 in it: {text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_secret_however_it_is_aligned() {
        for lead in ["", "u", "us", "user:"] {
            let text = format!("x {} y", STANDARD.encode(format!("{lead}canary-secret-value tail")));
            let found = std::panic::catch_unwind(|| assert_absent("test", &text, &["canary-secret-value"]));
            assert!(found.is_err(), "{lead}");
        }
        assert_absent("test", "nothing here", &["canary-secret-value"]);
    }
}
