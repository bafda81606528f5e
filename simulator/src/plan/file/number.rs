//! Decimal numbers without rounding: what a file says is what a world does.

/// A decimal number in thousandths: `1.5` is 1500.
///
/// # Errors
///
/// Why it is not one: no plain decimal, more than three decimals, or beyond 64 bits.
pub(super) fn thousandths(text: &str) -> Result<i64, &'static str> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        return Err("is no plain decimal number");
    }
    if fraction.trim_end_matches('0').len() > 3 {
        return Err("is finer than a microsecond");
    }
    let fraction: i64 = format!("{fraction:0<3}")[..3].parse().unwrap_or_default();
    let size = whole
        .parse::<i64>()
        .ok()
        .and_then(|whole| whole.checked_mul(1_000))
        .and_then(|whole| whole.checked_add(fraction))
        .ok_or("is too large")?;
    Ok(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_nothing_is_rounded() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("12", Ok(12_000)),
            ("-0.25", Ok(-250)),
            ("+1.5000", Ok(1_500)),
            ("0.001", Ok(1)),
            ("9223372036854775.807", Ok(i64::MAX)),
            ("9223372036854775.808", Err("is too large")),
            ("0.0001", Err("is finer than a microsecond")),
            ("1e3", Err("is no plain decimal number")),
            ("inf", Err("is no plain decimal number")),
            ("nan", Err("is no plain decimal number")),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }
}
