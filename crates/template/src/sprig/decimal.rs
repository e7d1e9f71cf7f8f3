//! Exact decimal arithmetic: `github.com/shopspring/decimal`, as far as sprig's `addf` and the like need it.

use num_bigint::{BigInt, Sign};

/// `value × 10^exponent`.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    value: BigInt,
    exponent: i64,
}

/// Digits after the point that a division gives.
const DIVISION_PRECISION: i64 = 16;

impl Decimal {
    /// The shortest decimal that tells a float from its neighbours.
    pub(super) fn from_float(number: f64) -> Result<Self, String> {
        if !number.is_finite() {
            let shown = crate::quote::lossy(&crate::float::format_float(number, b'g', None));
            return Err(format!("Cannot create a Decimal from {shown}"));
        }
        let text = crate::float::shortest(number);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let value = format!("{whole}{fraction}").parse().unwrap_or_default();
        Ok(Self { value, exponent: exponent.parse::<i64>().unwrap_or(0) - fraction.len() as i64 })
    }

    fn at_exponent(&self, exponent: i64) -> BigInt {
        &self.value * power_of_ten(self.exponent - exponent)
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self { value: self.at_exponent(exponent) + other.at_exponent(exponent), exponent }
    }

    pub(super) fn subtract(&self, other: &Self) -> Self {
        self.add(&Self { value: -&other.value, exponent: other.exponent })
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        Self { value: &self.value * &other.value, exponent: self.exponent + other.exponent }
    }

    /// Rounded half away from zero.
    pub(super) fn divide(&self, other: &Self) -> Result<Self, &'static str> {
        if other.value.sign() == Sign::NoSign {
            return Err("decimal division by 0");
        }
        let shift = self.exponent - other.exponent + DIVISION_PRECISION;
        let (dividend, divisor) =
            if shift < 0 { (self.value.clone(), &other.value * power_of_ten(-shift)) } else { (&self.value * power_of_ten(shift), other.value.clone()) };
        let quotient = &dividend / &divisor;
        let rest: BigInt = &dividend - &quotient * &divisor;
        let rounds_up = rest.magnitude() * 2u32 >= *divisor.magnitude();
        let negative = (self.value.sign() == Sign::Minus) != (other.value.sign() == Sign::Minus);
        let value = match (rounds_up, negative && self.value.sign() != Sign::NoSign) {
            (false, _) => quotient,
            (true, true) => quotient - 1,
            (true, false) => quotient + 1,
        };
        Ok(Self { value, exponent: -DIVISION_PRECISION })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e{}", self.value, self.exponent).parse().unwrap_or(0.0)
    }
}

fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}
