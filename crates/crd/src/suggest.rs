//! "Did you mean …?"

/// The candidate that `name` was most likely meant to be, if one is close: the same but for case and punctuation, or a couple of
/// typing slips away.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name);
    // A third of the letters, or else short names would be "close" to anything.
    let allowed = (wanted.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *candidate != name)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?` or nothing, to be put behind a message.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, candidates).map(|candidate| format!("; did you mean {candidate:?}?")).unwrap_or_default()
}

fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
}

/// Edits that turn one into the other: insertions, deletions, replacements, swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replace = last[j] + usize::from(x != y);
            let mut best = replace.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let fields = ["address", "addressExtensions", "params", "auth", "connectorClassName"];
        for (name, expect) in [
            ("adress", Some("address")),
            ("Address", Some("address")),
            ("address_extensions", Some("addressExtensions")),
            ("pramas", Some("params")),
            ("connectorClass", None),
            ("url", None),
            ("address", None),
        ] {
            assert_eq!(closest(name, fields), expect, "{name}");
        }
        assert_eq!(closest("basic-auth", ["basicAuth", "tokenAuth"]), Some("basicAuth"));
        assert_eq!(closest("baseAuth", ["basicAuth", "tokenAuth"]), Some("basicAuth"));
    }
}
