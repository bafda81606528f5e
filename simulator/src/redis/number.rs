//! Numbers as Redis reads and writes them.

/// Reads a whole number as strictly as Redis: no plus sign, no blanks, no leading zeros, no `-0`.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Writes a number as C's `%.{digits}g` does.
pub(super) fn general(n: f64, digits: usize) -> String {
    if n.is_nan() {
        return if n.is_sign_negative() {
            "-nan".into()
        } else {
            "nan".into()
        };
    }
    if n.is_infinite() {
        return if n < 0.0 { "-inf".into() } else { "inf".into() };
    }
    let scientific = format!("{n:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let limit = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or_default();
    trim(&format!("{n:.decimals$}")).to_owned()
}

/// A whole number of Lua's, which is a floating one, as [`general`] writes it.
pub(super) fn whole(n: i64, digits: u32) -> String {
    if n.unsigned_abs() < 10_u64.saturating_pow(digits) {
        return n.to_string();
    }
    let float = n as f64;
    general(float, usize::try_from(digits).unwrap_or_default())
}

fn trim(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// Cuts a number of Lua's to a whole one, as the processors do on which Redis usually runs: what does not fit becomes the
/// smallest.
#[expect(
    clippy::cast_possible_truncation,
    reason = "cutting is the purpose; the range is checked"
)]
pub(super) fn truncate(n: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&n) {
        n as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_are_numbers() {
        assert_eq!(parse(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse(b"0"), Some(0));
        for wrong in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn general_is_what_c_prints() {
        for (n, text) in [
            (10.0, "10"),
            (1.5, "1.5"),
            (1e20, "1e+20"),
            (0.1, "0.10000000000000001"),
            (-0.0, "-0"),
            (1e-5, "1.0000000000000001e-05"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(general(n, 17), text);
        }
    }

    #[test]
    fn truncation_is_towards_zero_and_ends_at_the_smallest() {
        assert_eq!((truncate(3.99), truncate(-3.99)), (3, -3));
        assert_eq!((truncate(1e300), truncate(f64::NAN)), (i64::MIN, i64::MIN));
    }
}
