//! Hex and decimal encodings with their checks.

use std::fmt;
use std::str::FromStr;

use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Why text is not the value it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodingError {
    /// Not `0x` followed by hex digits.
    #[error("expected 0x and hex digits")]
    NotHex,
    /// The wrong number of bytes.
    #[error("{got} bytes, expected {expected}")]
    Length {
        /// Bytes found.
        got: usize,
        /// Bytes required.
        expected: usize,
    },
    /// Not a decimal number below 2^128.
    #[error("expected a decimal number below 2^128")]
    NotANumber,
}

macro_rules! hex_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

macro_rules! fixed_hex {
    ($(#[$doc:meta])* $name:ident, $len:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String, example = $example))]
        pub struct $name(pub [u8; $len]);

        hex_text!($name);

        impl FromStr for $name {
            type Err = EncodingError;

            fn from_str(text: &str) -> Result<Self, EncodingError> {
                let bytes = text.parse::<Bytes>()?.0;
                let length = EncodingError::Length { got: bytes.len(), expected: $len };
                bytes.try_into().map(Self).map_err(|_| length)
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = EncodingError;

            fn try_from(bytes: &[u8]) -> Result<Self, EncodingError> {
                let length = EncodingError::Length { got: bytes.len(), expected: $len };
                bytes.try_into().map(Self).map_err(|_| length)
            }
        }
    };
}

fixed_hex!(
    /// A 32-byte value: an id, a hash or a big-endian field element.
    Bytes32,
    32,
    "0x00000000000000000000000000000000000000000000000000000000000000a1"
);

fixed_hex!(
    /// An account on the chain.
    Address,
    20,
    "0x00000000000000000000000000000000000000a1"
);

/// A byte string.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, example = "0xa1b2"))]
pub struct Bytes(pub Vec<u8>);

hex_text!(Bytes);

impl FromStr for Bytes {
    type Err = EncodingError;

    fn from_str(text: &str) -> Result<Self, EncodingError> {
        let digits = text.strip_prefix("0x").ok_or(EncodingError::NotHex)?;
        hex::decode(digits).map(Self).map_err(|_| EncodingError::NotHex)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// A token amount in the token's smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, example = "10000000000000000"))]
pub struct Amount(pub u128);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Amount {
    type Err = EncodingError;

    fn from_str(text: &str) -> Result<Self, EncodingError> {
        let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = is_decimal.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or(EncodingError::NotANumber)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_round_trip() {
        let text = format!("\"0x{}\"", "ab".repeat(32));
        let value: Bytes32 = serde_json::from_str(&text).unwrap();
        assert_eq!(value, Bytes32([0xab; 32]));
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
        let amount: Amount =
            serde_json::from_str("\"340282366920938463463374607431768211455\"").unwrap();
        assert_eq!(amount, Amount(u128::MAX));
    }

    #[test]
    fn malformed_values_are_refused() {
        assert_eq!("ab".parse::<Bytes>(), Err(EncodingError::NotHex));
        assert_eq!("0xzz".parse::<Bytes>(), Err(EncodingError::NotHex));
        let length = EncodingError::Length { got: 1, expected: 20 };
        assert_eq!("0xab".parse::<Address>(), Err(length));
        for text in ["", "-1", "+1", "1.0", "340282366920938463463374607431768211456"] {
            assert_eq!(text.parse::<Amount>(), Err(EncodingError::NotANumber), "{text}");
        }
    }
}
