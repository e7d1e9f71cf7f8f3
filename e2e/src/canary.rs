//! Secrets that must not turn up, looked for in every form in which they could.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem;

/// Values to search for: tools' secrets, or callers' tokens.
#[derive(Default)]
pub struct Canaries {
    needles: Vec<Needle>,
}

struct Needle {
    name: String,
    bytes: Vec<u8>,
}

/// Base64 digits that a needle has at least, so that it can't turn up by chance.
const MIN_DIGITS: usize = 12;

impl Canaries {
    /// Adds a value under a name that may be shown. It is searched for as it is, percent-encoded, in hexadecimal, and in both base64
    /// alphabets at all three alignments: so also within `user:value` or `:value`, however long what stands around it.
    pub fn add(mut self, name: &str, value: &str) -> Self {
        let mut push = |bytes: Vec<u8>| self.needles.push(Needle { name: name.to_owned(), bytes });
        push(value.as_bytes().to_vec());
        push(
            value
                .bytes()
                .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
                .collect::<String>()
                .into(),
        );
        push(value.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into());
        for engine in [STANDARD, URL_SAFE] {
            for lead in 0..3 {
                let digits = engine.encode([&b"   "[..lead], value.as_bytes()].concat());
                // Only the digits that don't depend on what stands before or after the value.
                let own = &digits[(lead * 4).div_ceil(3)..((lead + value.len()) * 8).div_euclid(6)];
                assert!(own.len() >= MIN_DIGITS, "{name} is too short to be searched for");
                push(own.into());
            }
        }
        self
    }

    /// Adds a JWT: whole, and its signature alone.
    pub fn add_token(self, name: &str, token: &str) -> Self {
        let signature = token.rsplit('.').next().unwrap_or_default().to_owned();
        self.add(name, token).add(&format!("{name} (signature)"), &signature)
    }

    /// The name of the first value that is in `bytes`, in any form.
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        self.needles.iter().find(|needle| memmem::find(bytes, &needle.bytes).is_some()).map(|needle| needle.name.as_str())
    }

    /// Fails if one of the values is in `bytes`.
    #[track_caller]
    pub fn assert_absent(&self, place: &str, bytes: impl AsRef<[u8]>) {
        if let Some(name) = self.find(bytes.as_ref()) {
            panic!("{name} is in {place}:\n{}", String::from_utf8_lossy(bytes.as_ref()));
        }
    }

    /// Fails if one of the values is in a file of `folder`, at any depth.
    #[track_caller]
    pub fn assert_absent_below(&self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                self.assert_absent_below(&entry.path());
            } else if kind.is_file()
                && let Some(name) = self.find(&std::fs::read(entry.path()).unwrap())
            {
                panic!("{name} is in the file {}", entry.path().display());
            }
        }
    }
}

/// A value that occurs nowhere else, to serve as a secret.
pub fn unique(label: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new();
    format!("canary-{label}-{:016x}{:016x}", random.hash_one(1), random.hash_one(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_however_it_is_written() {
        let secret = unique("secret");
        let canaries = Canaries::default().add("the secret", &secret);
        for lead in ["", "u", "us", "use", "user:", ":"] {
            for tail in ["", "x", "xy", "xyz"] {
                let whole = format!("{lead}{secret}{tail}");
                for text in [whole.clone(), STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
                    assert_eq!(canaries.find(format!("a {text} b").as_bytes()), Some("the secret"), "{text}");
                }
            }
        }
        assert_eq!(canaries.find(secret.replace('-', "%2D").as_bytes()), Some("the secret"));
    }

    #[test]
    fn other_values_are_not_found() {
        let canaries = Canaries::default().add("the secret", &unique("secret"));
        let other = unique("secret");
        assert_eq!(canaries.find(format!("{other} {}", STANDARD.encode(&other)).as_bytes()), None);
    }

    #[test]
    fn of_a_token_the_signature_is_enough() {
        let canaries = Canaries::default().add_token("the token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLXdpdGgtZW5vdWdoLWJ5dGVz");
        assert_eq!(canaries.find(b"x.c2lnbmF0dXJlLXdpdGgtZW5vdWdoLWJ5dGVz"), Some("the token (signature)"));
    }

    #[test]
    fn files_are_searched_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let secret = unique("secret");
        let canaries = Canaries::default().add("the secret", &secret);
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/c"), "nothing").unwrap();
        canaries.assert_absent_below(folder.path());
        std::fs::write(folder.path().join("a/b/c"), format!("password: {secret}")).unwrap();
        assert!(std::panic::catch_unwind(|| canaries.assert_absent_below(folder.path())).is_err());
    }
}
