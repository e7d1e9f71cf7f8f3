//! Tables in Markdown that can also be read as they are.

use std::fmt::Write as _;

/// Rows of text below a heading; every column but the first is aligned to the right.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).to_vec()] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    pub(super) fn markdown(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                let _ = if column == 0 { write!(text, "| {cell:width$} ") } else { write!(text, "| {cell:>width$} ") };
            }
            text.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let _ = if column == 0 { write!(text, "|{:-<1$}", "", width + 2) } else { write!(text, "|{:->1$}", ":", width + 2) };
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// Three digits that mean something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => grouped(value.round()),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut text = if whole < 0.0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["load", "÷"]);
        table.row(["a".into(), "0.80".into()]);
        assert_eq!(table.markdown(), "| load |    ÷ |\n|------|-----:|\n| a    | 0.80 |\n");
    }

    #[test]
    fn numbers() {
        assert_eq!([0.657, 12.34, 999.6, 1_234_567.0, -1234.0].map(number), ["0.66", "12.3", "1,000", "1,234,567", "-1,234"]);
    }
}
