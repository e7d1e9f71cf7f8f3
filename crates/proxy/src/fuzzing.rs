//! Doors for the fuzzer: what reads a request's target and credentials, and what maps a tool's answers, on plain values.
//!
//! These functions stay private to the crate, because only `serve` may decide by them; the fuzzer must reach them without a socket. Hence this
//! module, behind a feature that only `connectors-fuzz` switches on. It passes on and decides nothing.

use std::borrow::Cow;
use std::error::Error;

use connectors_core::{Address, ConnectorRef, Origin, RequestPath, SecretValue, with_causes};
use connectors_http1::RequestHead;

use crate::identify;
use crate::mapping::{Mapped, Mapping};
use crate::settings::Settings;
use crate::target::{self, Base, Forward};

/// What a request is aimed at: the crate's own `Target`.
#[derive(Debug, PartialEq, Eq)]
pub enum Target<'h> {
    /// At a Connector's proxy address, which is `authority` and `prefix`.
    Reverse {
        /// The Connector that the address names.
        connector: ConnectorRef,
        /// What is asked for below the address.
        path: RequestPath<'h>,
        /// The Host, as sent.
        authority: &'h str,
        /// The part of the path that names the Connector, or nothing.
        prefix: &'h str,
    },
    /// At a URL.
    Forward(Origin, RequestPath<'h>),
    /// At a host and port.
    Connect(Origin),
}

/// Reads the target of a request that came straight to the listener, with names below `localhost` allowed.
///
/// # Errors
/// Everything that the error says in any form.
pub fn target(head: &RequestHead) -> Result<Target<'_>, String> {
    let settings = Settings { localhost_names: true, ..Settings::default() };
    match target::parse(head, &settings, &target::Hosts::default()).map_err(|error| shown(&error))? {
        target::Target::Reverse(target::Reverse { connector, path, base: Base { authority, prefix } }) => {
            Ok(Target::Reverse { connector, path, authority, prefix })
        }
        target::Target::Forward(Forward { origin, path }) => Ok(Target::Forward(origin, path)),
        target::Target::Connect(origin) => Ok(Target::Connect(origin)),
    }
}

/// Reads the target of a request inside an intercepted CONNECT to `authority`.
///
/// # Errors
/// Everything that the error says in any form.
pub fn target_inside<'h>(head: &'h RequestHead, authority: &Origin) -> Result<(Origin, RequestPath<'h>), String> {
    let Forward { origin, path } = target::parse_inside(head, authority).map_err(|error| shown(&error))?;
    Ok((origin, path))
}

/// The Connectors and the token in Proxy-Authorization.
///
/// # Errors
/// Everything that the error says in any form.
pub fn proxy_credentials(head: &RequestHead) -> Result<(Vec<ConnectorRef>, SecretValue), String> {
    let identify::ProxyCredentials { named, token } = identify::proxy_credentials(head).map_err(|error| shown(&error))?;
    Ok((named, token))
}

/// The token in Authorization.
///
/// # Errors
/// Everything that the error says in any form.
pub fn reverse_token(head: &RequestHead) -> Result<SecretValue, String> {
    identify::reverse_token(head).map(|token| SecretValue::new(token.lend().expose())).map_err(|error| shown(&error))
}

/// A tool and the proxy's address of it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The tool's address.
    pub address: &'a Address,
    /// The proxy's host and port, as the caller wrote them.
    pub authority: &'a str,
    /// The part of the path that names the Connector, or nothing.
    pub prefix: &'a str,
    /// The path of the request below it.
    pub path: &'a str,
}

impl Place<'_> {
    /// The value of Location as the caller gets it; `None` if it gets none.
    pub fn location<'v>(&self, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        as_sent(self.mapping().location(value), value)
    }

    /// The value of Set-Cookie as the caller gets it; `None` if it gets none.
    pub fn cookie<'v>(&self, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        as_sent(self.mapping().cookie(value), value)
    }

    fn mapping(&self) -> Mapping<'_> {
        let Self { address, authority, prefix, path } = *self;
        Mapping { address, base: Base { authority, prefix }, scheme: "http", path }
    }
}

fn as_sent(mapped: Mapped, value: &[u8]) -> Option<Cow<'_, [u8]>> {
    match mapped {
        Mapped::Stays => Some(value.into()),
        Mapped::Becomes(value) => Some(value.into()),
        Mapped::Goes => None,
    }
}

/// Display and Debug of an error and of what caused it.
fn shown(error: &dyn Error) -> String {
    format!("{error:?}: {}", with_causes(error))
}
