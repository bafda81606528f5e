//! Durations as multiples of the TTL.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A duration in TTLs: `0.5` is half of one. From 0 to 100,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Ttls(f64);

/// Longer than any run, and short enough to be counted in microseconds.
const MOST: f64 = 100_000.0;

impl Ttls {
    /// None at all.
    pub const ZERO: Self = Self(0.0);

    /// So many.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 100,000.
    pub const fn new(ttls: f64) -> Self {
        assert!(ttls >= 0.0 && ttls <= MOST, "a number of TTLs");
        Self(ttls)
    }

    /// How many.
    pub const fn count(self) -> f64 {
        self.0
    }

    /// How long that is when a TTL is `ttl`, to the microsecond.
    pub fn of(self, ttl: Duration) -> Duration {
        let micros = (ttl.as_secs_f64() * self.0 * 1e6).round() / 1e6;
        Duration::from_secs_f64(micros)
    }

    /// The same in whole milliseconds, rounded.
    pub fn millis(self, ttl: Duration) -> u64 {
        u64::try_from((self.of(ttl) + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX)
    }

    /// The same in whole microseconds.
    pub fn micros(self, ttl: Duration) -> u64 {
        u64::try_from(self.of(ttl).as_micros()).unwrap_or(u64::MAX)
    }
}

impl<'de> Deserialize<'de> for Ttls {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let ttls = f64::deserialize(from)?;
        if (0.0..=MOST).contains(&ttls) {
            Ok(Self(ttls))
        } else {
            Err(de::Error::custom(format_args!(
                "{ttls} is no number of TTLs: expected 0 to {MOST}"
            )))
        }
    }
}

impl JsonSchema for Ttls {
    fn schema_name() -> Cow<'static, str> {
        "Ttls".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration as a multiple of the TTL.",
            "type": "number",
            "minimum": 0,
            "maximum": MOST,
        })
    }
}

/// A duration that is drawn anew each time: `0.5` for always the same, `[0.1, 0.5]` for the least and the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(into = "(Ttls, Ttls)")]
pub struct Span {
    /// The least.
    pub least: Ttls,
    /// The most.
    pub most: Ttls,
}

impl Span {
    /// Always the same.
    pub const fn always(ttls: f64) -> Self {
        Self::new(ttls, ttls)
    }

    /// From the least to the most.
    pub const fn new(least: f64, most: f64) -> Self {
        Self {
            least: Ttls::new(least),
            most: Ttls::new(most),
        }
    }
}

impl From<Span> for (Ttls, Ttls) {
    fn from(span: Span) -> Self {
        (span.least, span.most)
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of TTLs, or a list of two of them: the least and the most"
)]
enum OneOrTwo {
    One(Ttls),
    Two(Ttls, Ttls),
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (least, most) = match OneOrTwo::deserialize(from)? {
            OneOrTwo::One(ttls) => (ttls, ttls),
            OneOrTwo::Two(least, most) => (least, most),
        };
        if least > most {
            return Err(de::Error::custom("the least is more than the most"));
        }
        Ok(Self { least, most })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let ttls = generator.subschema_for::<Ttls>();
        json_schema!({
            "description": "A duration that is drawn anew each time: a number of TTLs, or the least and the most.",
            "anyOf": [ttls, { "type": "array", "items": ttls, "minItems": 2, "maxItems": 2 }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_exact_to_the_microsecond() {
        let ttl = Duration::from_secs(1);
        for (ttls, micros) in [(0.0002, 200), (1.0, 1_000_000), (0.1 + 0.2, 300_000)] {
            assert_eq!(Ttls::new(ttls).micros(ttl), micros);
        }
        assert_eq!(Ttls::new(0.0005).millis(ttl), 1);
        assert_eq!(Ttls::new(1.5).of(ttl * 10), Duration::from_secs(15));
    }
}
