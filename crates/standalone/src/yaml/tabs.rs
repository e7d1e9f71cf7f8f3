//! Tabs as indentation, which YAML forbids (1.2.2 §6.1) and the parser lets through.

/// The lines of a text that has tabs in it.
pub(super) struct Tabs<'a> {
    text: &'a str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl<'a> Tabs<'a> {
    /// `None` for a text without tabs: most have none, and then there is nothing to look at.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        text.contains('\t').then(|| Self { text, lines: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect() })
    }

    /// The column, from 1, of a tab before the key of block style that begins at `column`; none if the key is not the line's first. What
    /// comes after a `- ` or `? ` is indented by it.
    pub(super) fn before_key(&self, line: usize, column: usize) -> Option<usize> {
        self.indentation(line, column)?.find('\t').map(|at| at + 1)
    }

    /// The same for the `-` before the list item that begins at `column`. Between the two there may be tabs.
    pub(super) fn before_dash(&self, line: usize, column: usize) -> Option<usize> {
        self.indentation(line, column)?.rsplit_once('-')?.0.find('\t').map(|at| at + 1)
    }

    /// What comes before `column`, if that is nothing else than indentation.
    fn indentation(&self, line: usize, column: usize) -> Option<&'a str> {
        let text = self.from(line)?;
        // All of these are one byte long, so that columns are bytes.
        let length = text.bytes().take(column.saturating_sub(1)).take_while(|byte| matches!(byte, b' ' | b'\t' | b'-' | b'?')).count();
        (length + 1 == column).then(|| &text[..length])
    }

    /// Whether the list or mapping there is in flow style, where tabs may stand anywhere. An anchor or tag may come before its bracket.
    pub(super) fn is_flow(&self, line: usize, column: usize) -> bool {
        let Some(mut rest) = self.from(line).and_then(|text| text.char_indices().nth(column.saturating_sub(1)).map(|(at, _)| &text[at..])) else {
            return false;
        };
        while rest.starts_with(['&', '!']) {
            rest = rest.trim_start_matches(|c: char| !c.is_whitespace()).trim_start();
        }
        rest.starts_with(['{', '['])
    }

    /// The text from the beginning of a line on.
    fn from(&self, line: usize) -> Option<&'a str> {
        self.lines.get(line.checked_sub(1)?).map(|at| &self.text[*at..])
    }
}
