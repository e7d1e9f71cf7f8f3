#![doc = include_str!("../README.md")]

mod address;
mod builtin;
mod copy;
mod error;
mod evaluate;
mod execute;
mod float;
mod fmt;
mod function;
mod json;
mod limits;
mod methods;
mod node;
mod number;
mod parse;
mod quote;
mod regexp;
mod semver;
mod sprig;
mod template;
mod time;
mod types;
mod url;
mod value;

pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use semver::Version;
pub use template::{MissingKey, Options, Template};
pub use time::Time;
pub use types::{Field, IntKind, StructType, Type, UintKind};
pub use value::{List, Map, Str, Struct, Value};
