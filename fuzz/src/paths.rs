//! A naive second reader of paths. It shares no code with `connectors_core::RequestPath`.

/// How often a path is decoded on its way through proxy, server and application: not at all, once or twice.
const MAX_DECODED: usize = 2;

/// Panics if some server could read `path`, which was accepted, as a place beside `prefix`.
#[track_caller]
pub(crate) fn assert_stays_under(prefix: &str, path: &str) {
    let (mut prefix, mut path) = (prefix.as_bytes().to_vec(), path.as_bytes().to_vec());
    for round in 0..=MAX_DECODED {
        // `/te%2Dam` is below `/te-am`, though not for who doesn't decode at all.
        let stays = round == 0 || resolved(&path).starts_with(&resolved(&prefix));
        assert!(stays, "{} leaves {}", path.escape_ascii(), prefix.escape_ascii());
        // Not merely the same in the end: there is nothing to resolve at all.
        assert!(!segments(&path).any(is_dots), "{} has a dot segment", path.escape_ascii());
        (prefix, path) = (decoded(&prefix), decoded(&path));
    }
}

/// The segments that are left when dots are resolved and empty ones don't count.
fn resolved(path: &[u8]) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in segments(path) {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            segment => kept.push(segment.to_vec()),
        }
    }
    kept
}

/// The segments, as a lax server sees them: `\` separates too, and parameters and blanks don't count.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| matches!(byte, b'/' | b'\\')).map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or(segment).trim_ascii())
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Percent-decoded once; what is no encoding stays.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut rest = path;
    let mut out = Vec::new();
    while let Some((&first, tail)) = rest.split_first() {
        let byte = tail.get(..2).filter(|_| first == b'%').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            u8::from_str_radix(digits, 16).ok()
        });
        rest = if byte.is_some() { &tail[2..] } else { tail };
        out.push(byte.unwrap_or(first));
    }
    out
}
