//! The middle of several measurements, and how far they lie apart.

/// The median, with the quartiles around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Some(Self { median: quantile(&values, 0.5)?, lower: quantile(&values, 0.25)?, upper: quantile(&values, 0.75)? })
    }
}

/// Between the two values next to it, in proportion.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        assert_eq!(Spread::of([5.0, 1.0, 3.0, 2.0, 4.0]), Some(Spread { median: 3.0, lower: 2.0, upper: 4.0 }));
        assert_eq!(Spread::of([1.0, 2.0]), Some(Spread { median: 1.5, lower: 1.25, upper: 1.75 }));
        assert_eq!(Spread::of([7.0]), Some(Spread { median: 7.0, lower: 7.0, upper: 7.0 }));
        assert_eq!(Spread::of([]), None);
    }
}
