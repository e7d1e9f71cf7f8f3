#![doc = include_str!("../README.md")]

mod body;
mod error;
mod field;
mod grammar;
mod head;
mod line;
mod request;
mod response;
mod write;

pub use body::{BodyDecoder, Decoded, MAX_EXTENSION_BYTES, TRAILER_LIMITS};
pub use error::{BodyError, HeadError, WriteError};
pub use field::Field;
pub use head::{HeadLimits, MAX_CONNECTION_BYTES, Version};
pub use line::Line;
pub use request::{Framing, RequestHead, TargetForm};
pub use response::{ResponseFraming, ResponseHead};
pub use write::{FieldName, HeadWriter, LAST_CHUNK, PreparedField, chunk_head, reason_phrase};
