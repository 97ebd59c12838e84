//! The text form of a host mesh ref: `name:host,host,…@region`.
//!
//! An address may itself hold a comma or an `@`, and a label of the region may be quoted, so the separators
//! are found by what stands behind them: a comma separates two hosts where a scheme follows it, and the region
//! starts behind the last `@` whose rest is one.

use std::{fmt, str::FromStr};

use hypermesh_ndslice::Region;

use super::HostMeshRef;
use crate::channel::ChannelAddr;
use crate::name::{Name, NameError};

/// The longest text that is read, in bytes.
const MAX_LEN: usize = 1 << 20;

impl fmt::Display for HostMeshRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        for (i, host) in self.hosts.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(f, "{separator}{host}")?;
        }
        write!(f, "@{}", self.view)
    }
}

impl FromStr for HostMeshRef {
    type Err = ParseHostMeshRefError;

    fn from_str(text: &str) -> Result<Self, ParseHostMeshRefError> {
        let error = |at: usize, reason| ParseHostMeshRefError {
            text: shortened(text),
            at,
            reason,
        };
        if MAX_LEN < text.len() {
            return Err(error(
                MAX_LEN,
                ParseReason::TooLong {
                    len: text.len(),
                    max: MAX_LEN,
                },
            ));
        }
        let Some((name, rest)) = text.split_once(':') else {
            return Err(error(text.len(), ParseReason::NoName));
        };
        let name = Name::new(name).map_err(|source| error(0, source.into()))?;
        let rest_at = text.len() - rest.len();

        let ats = || {
            rest.char_indices()
                .rev()
                .filter(|&(_, c)| c == '@')
                .map(|(at, _)| at)
        };
        let Some(last_at) = ats().next() else {
            return Err(error(text.len(), ParseReason::NoRegion));
        };
        let region = ats().find_map(|at| Some((at, rest[at + 1..].parse::<Region>().ok()?)));
        let Some((hosts_end, view)) = region else {
            let region = rest[last_at + 1..].to_owned();
            return Err(error(
                rest_at + last_at + 1,
                ParseReason::BadRegion { region },
            ));
        };

        let mut hosts = Vec::new();
        for (at, host) in split_hosts(&rest[..hosts_end]) {
            let addr: Result<ChannelAddr, _> = host.parse();
            hosts.push(addr.map_err(|source| {
                error(
                    rest_at + at,
                    ParseReason::BadHost {
                        host: host.to_owned(),
                        source,
                    },
                )
            })?);
        }
        if hosts.len() != view.count() {
            let (hosts, ranks) = (hosts.len(), view.count());
            return Err(error(rest_at, ParseReason::WrongCount { hosts, ranks }));
        }
        Ok(Self {
            name,
            hosts: hosts.into(),
            view,
        })
    }
}

/// Cuts `hosts` at the commas behind which an address starts; each piece with its offset.
fn split_hosts(hosts: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = |at: &usize| {
        let next = &hosts[at + 1..];
        let scheme = next.split_once(':').map_or("", |(scheme, _)| scheme);
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let commas = hosts
        .char_indices()
        .filter(|&(_, c)| c == ',')
        .map(|(at, _)| at)
        .filter(starts);
    let mut commas = commas.chain([hosts.len()]);
    let mut start = Some(0);
    std::iter::from_fn(move || {
        let from = start.take()?;
        let end = commas.next()?;
        start = Some(end + 1);
        Some((from, &hosts[from..end]))
    })
}

/// The start of `text`: an error shows what was wrong, not a megabyte.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 256;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Error returned for a text that is no [`HostMeshRef`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text:?} is no ref to a host mesh (byte {at})")]
pub struct ParseHostMeshRefError {
    /// The text, shortened if it is long.
    pub text: String,
    /// The byte at which the trouble is.
    pub at: usize,
    /// What is wrong.
    #[source]
    pub reason: ParseReason,
}

/// What is wrong with the text of a host mesh ref.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseReason {
    /// It is too long to be looked at.
    #[error("the text has {len} bytes, more than {max}")]
    TooLong {
        /// The bytes it has.
        len: usize,
        /// The most it may have.
        max: usize,
    },
    /// There is no `:` behind a name.
    #[error("expected `name:`")]
    NoName,
    /// The name is none.
    #[error("the name is not legal")]
    BadName(#[from] NameError),
    /// There is no `@` before a region.
    #[error("expected `@` and a region")]
    NoRegion,
    /// What stands behind the last `@` is no region.
    #[error("{region:?} is no region")]
    BadRegion {
        /// The text in the region's place.
        region: String,
    },
    /// A host is no address.
    #[error("the host {host:?} is no address")]
    BadHost {
        /// The text in the host's place.
        host: String,
        /// What is wrong with it.
        source: crate::channel::ParseAddrError,
    },
    /// There is not one host for each rank of the region.
    #[error("{hosts} hosts for a region of {ranks} ranks")]
    WrongCount {
        /// How many hosts there are.
        hosts: usize,
        /// How many ranks the region has.
        ranks: usize,
    },
}
