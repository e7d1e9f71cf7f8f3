//! The line of an expression that something is wrong with, and carets under the place.

use super::answer::Spot;

/// How much of a long line is shown on each side of the place, in characters.
const CONTEXT: usize = 60;

/// Two lines, each with its end; none if there is no place.
pub(super) fn picture(source: &str, spot: &Spot) -> Option<String> {
    let (line, from, count) = find(source, spot)?;
    let text = source.split('\n').nth(line)?;
    let first = from.saturating_sub(CONTEXT);
    let dots = if first > 0 { "…" } else { "" };
    // A control character, a tab above all, takes a place of its own.
    let shown: String = text.chars().skip(first).take(from - first + count.max(1) + CONTEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let indent = " ".repeat(from - first + dots.chars().count());
    Some(format!("  {dots}{}\n  {indent}{}\n", shown.trim_end(), "^".repeat(count.clamp(1, CONTEXT))))
}

/// The line, from 0, the first character in it, and how many there are.
fn find(source: &str, spot: &Spot) -> Option<(usize, usize, usize)> {
    match spot {
        Spot::Character(at) => Some((usize::try_from(at.line).ok()?.checked_sub(1)?, usize::try_from(at.column).ok()?.checked_sub(1)?, 1)),
        Spot::Byte(line, byte) => {
            let line = line.checked_sub(1)?;
            let text = source.split('\n').nth(line)?;
            Some((line, text.char_indices().take_while(|(at, _)| at < byte).count(), 1))
        }
        Spot::Line(line, named) => {
            let line = line.checked_sub(1)?;
            let text = source.split('\n').nth(line)?;
            let (from, count) = named.as_deref().and_then(|name| within(text, name)).unwrap_or_else(|| all_of(text));
            Some((line, from, count))
        }
        Spot::Text(name) => {
            let named = source.split('\n').enumerate().find_map(|(line, text)| within(text, name).map(|(from, count)| (line, from, count)));
            named.or_else(|| find(source, &Spot::Whole))
        }
        Spot::Whole => {
            let (line, text) = source.split('\n').enumerate().find(|(_, text)| !text.trim().is_empty())?;
            let (from, count) = all_of(text);
            Some((line, from, count))
        }
        Spot::Nowhere => None,
    }
}

/// What is between the blanks around it.
fn all_of(line: &str) -> (usize, usize) {
    (line.chars().count() - line.trim_start().chars().count(), line.trim().chars().count())
}

fn within(line: &str, name: &str) -> Option<(usize, usize)> {
    let at = line.find(name).filter(|_| !name.is_empty())?;
    Some((line[..at].chars().count(), name.chars().count()))
}

#[cfg(test)]
mod tests {
    use connectors_expr::Position;

    use super::*;

    #[test]
    fn places() {
        let check = |source: &str, spot: Spot, expect: &str| assert_eq!(picture(source, &spot).unwrap_or_default(), expect, "{source:?} {spot:?}");
        check("a\nbcd\n", Spot::Character(Position { line: 2, column: 3 }), "  bcd\n    ^\n");
        check("{{ .a.b }}", Spot::Byte(1, 5), "  {{ .a.b }}\n       ^\n");
        check("ü{{ .a }}", Spot::Byte(1, 6), "  ü{{ .a }}\n       ^\n");
        check("\tx {{ nope }} ", Spot::Line(1, Some("nope".into())), "   x {{ nope }}\n        ^^^^\n");
        check("\tx y ", Spot::Line(1, Some("nope".into())), "   x y\n   ^^^\n");
        check("  x", Spot::Line(1, None), "    x\n    ^\n");
        check("1 +\nb.c", Spot::Text("c".into()), "  b.c\n    ^\n");
        check("1 +", Spot::Character(Position { line: 1, column: 4 }), "  1 +\n     ^\n");
        check("1", Spot::Character(Position { line: 9, column: 1 }), "");
        check("\n a + b\n", Spot::Text("c".into()), "   a + b\n   ^^^^^\n");
        check("1 + 2", Spot::Whole, "  1 + 2\n  ^^^^^\n");
        check("", Spot::Whole, "");
        check("1", Spot::Nowhere, "");
    }

    #[test]
    fn long_lines_are_cut() {
        let source = format!("{}!{}", "a".repeat(1_000), "b".repeat(1_000));
        let found = picture(&source, &Spot::Character(Position { line: 1, column: 1_001 })).unwrap();
        let expect = format!("  …{}!{}\n  {}^\n", "a".repeat(60), "b".repeat(60), " ".repeat(61));
        assert_eq!(found, expect);
    }
}
