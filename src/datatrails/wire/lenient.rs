//! Values that are read for what they are and otherwise passed over, never kept and never an error. Touches nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

/// More attributes than one record can have: the ledger takes 51,200 bytes a request.
const MAX_ATTRIBUTES: usize = 20_000;

/// A string; anything else is `None`.
pub(super) struct Text(pub(super) Option<String>);

/// A boolean; anything else is `false`.
pub(super) struct Boolean(pub(super) bool);

/// A number, or a text that may hold one.
#[derive(Default)]
pub(super) struct Number {
    pub(super) value: Option<f64>,
    pub(super) text: Option<String>,
}

/// The string values of an object; nested ones, numbers and the like are dropped.
#[derive(Default)]
pub(super) struct Flat(pub(super) BTreeMap<String, String>);

/// Visits of the named kinds that pass the value over and give `$value`.
macro_rules! otherwise {
    ($value:expr; $($kind:ident)*) => { $( $crate::datatrails::wire::lenient::otherwise!(@$kind $value); )* };
    (@unit $value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($value) }
    };
    (@bool $value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok($value) }
    };
    (@number $value:expr) => {
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok($value) }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok($value) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok($value) }
    };
    (@str $value:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok($value) }
    };
    (@seq $value:expr) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
    (@map $value:expr) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}
pub(super) use otherwise;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }
            otherwise!(Text(None); unit bool number seq map);
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Boolean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Boolean;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Boolean, E> {
                Ok(Boolean(value))
            }
            otherwise!(Boolean(false); unit number str seq map);
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number { value: Some(value as f64), text: None })
            }
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number { value: Some(value as f64), text: None })
            }
            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number { value: Some(value), text: None })
            }
            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number { value: None, text: Some(text.to_owned()) })
            }
            otherwise!(Number::default(); unit bool seq map);
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Flat;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
                let mut flat = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if let Some(value) = map.next_value::<Text>()?.0 {
                        flat.insert(name, value);
                    }
                    if flat.len() > MAX_ATTRIBUTES {
                        return Err(A::Error::custom("more attributes than a record may have"));
                    }
                }
                Ok(Flat(flat))
            }
            otherwise!(Flat::default(); unit bool number str seq);
        }
        deserializer.deserialize_any(Any)
    }
}
