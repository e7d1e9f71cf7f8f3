//! A picture of the CPU ratios: one pair of bars a load, nginx being 1.

use std::fmt::Write as _;

use super::figures::Figures;
use super::stats::Spread;

const LABELS: u32 = 260;
const A_UNIT: f64 = 240.0;
/// Longer bars are cut off, with their number at the end.
const LONGEST: f64 = 2.0;
const ROW: usize = 34;
const TOP: usize = 64;

/// As SVG, without anything that a renderer would have to fetch.
pub(super) fn draw(figures: &[Figures]) -> String {
    let height = TOP + ROW * figures.len() + 12;
    let width = f64::from(LABELS) + A_UNIT * LONGEST + 60.0;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="12" y="22" font-size="15" font-weight="bold" fill="#222222">CPU time for the same work, nginx = 1 (less is better)</text>
<rect x="12" y="34" width="12" height="12" fill="#2f6fb3"/><text x="30" y="44" fill="#222222">connectors</text>
<rect x="120" y="34" width="12" height="12" fill="#b9bec5"/><text x="138" y="44" fill="#222222">haproxy</text><text x="210" y="44" fill="#222222">lines: from quartile to quartile</text>
"##
    );
    for (row, one) in figures.iter().enumerate() {
        let y = TOP + ROW * row;
        let _ = writeln!(svg, r##"<text x="12" y="{}" fill="#222222">{}</text>"##, y + 16, one.load.name());
        bar(&mut svg, y + 2, one.cpu.to_nginx, "#2f6fb3");
        bar(&mut svg, y + 15, one.cpu.haproxy_to_nginx, "#b9bec5");
    }
    let one = x(1.0);
    let _ = writeln!(svg, r##"<path d="M{one} {}V{height}" stroke="#888888" stroke-dasharray="3 3"/>"##, TOP - 8);
    svg + "</svg>\n"
}

/// As long as the median, with a line from quartile to quartile, and the number behind both.
fn bar(svg: &mut String, y: usize, value: Spread, colour: &str) {
    let (lower, end, upper, middle) = (x(value.lower), x(value.median), x(value.upper), y + 6);
    let _ = writeln!(svg, r##"<rect x="{LABELS}" y="{y}" width="{:.1}" height="12" fill="{colour}"/>"##, end - f64::from(LABELS));
    let _ = writeln!(svg, r##"<path d="M{lower:.1} {middle}H{upper:.1}" stroke="#12305a" stroke-width="2"/>"##);
    let _ = writeln!(svg, r##"<text x="{:.1}" y="{}" font-size="10" fill="#444444">{:.2}</text>"##, upper + 5.0, y + 10, value.median);
}

fn x(value: f64) -> f64 {
    f64::from(LABELS) + A_UNIT * value.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_that_are_too_long_are_cut_off() {
        let mut svg = String::new();
        bar(&mut svg, 0, Spread { median: 3.0, lower: 2.5, upper: 4.0 }, "#000000");
        assert!(svg.contains(r#"width="480.0""#) && svg.contains(">3.00<"), "{svg}");
    }
}
