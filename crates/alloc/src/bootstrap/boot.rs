//! What a child is told first, and what a child of each kind then runs.

use std::{error::Error, future::Future, pin::Pin};

use hypermesh_config::Snapshot;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    frame::{FrameError, FrameKind, encode},
    launcher::Launcher,
};

/// What a child is told over the inherited descriptor: its kind, the settings of its launcher, and
/// what its kind needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Boot {
    pub(super) kind: String,
    pub(super) settings: Snapshot,
    pub(super) payload: Vec<u8>,
}

impl Boot {
    /// Returns the boot data of a child of kind `kind`, with the settings that are in force in this
    /// process now.
    ///
    /// # Errors
    ///
    /// If `payload` cannot be encoded.
    pub fn new(kind: &str, payload: &impl Serialize) -> Result<Self, PayloadError> {
        let payload = postcard::to_stdvec(payload).map_err(|source| PayloadError {
            kind: kind.into(),
            source,
        })?;
        Ok(Self {
            kind: kind.into(),
            settings: hypermesh_config::snapshot(),
            payload,
        })
    }

    pub(crate) fn to_frame(&self) -> Result<Vec<u8>, FrameError> {
        let body = postcard::to_stdvec(self).expect("text and bytes can be encoded");
        encode(FrameKind::Boot, &body)
    }

    pub(super) fn from_body(body: &[u8]) -> Result<Self, postcard::Error> {
        decode_all(body)
    }
}

/// One kind of child, registered with `inventory::submit!`.
///
/// # Examples
///
/// ```
/// use hypermesh_alloc::bootstrap::{BootContext, BootKind, KindFuture};
///
/// fn greet(boot: BootContext) -> KindFuture {
///     Box::pin(async move {
///         let name: String = boot.payload()?;
///         boot.launcher().report(format!("hello {name}").as_bytes())?;
///         Ok(())
///     })
/// }
///
/// hypermesh_alloc::macro_support::inventory::submit! {
///     BootKind { name: "greeter", run: greet }
/// }
/// ```
#[derive(Debug)]
pub struct BootKind {
    /// The name by which a launcher asks for it.
    pub name: &'static str,
    /// What a child of this kind does; when it returns, the process ends: with status 0, or with the
    /// error on stderr and status 1.
    pub run: fn(BootContext) -> KindFuture,
}

inventory::collect!(BootKind);

impl BootKind {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        inventory::iter::<Self>().find(|kind| kind.name == name)
    }
}

/// What a [`BootKind`] runs.
pub type KindFuture = Pin<Box<dyn Future<Output = Result<(), KindError>> + Send>>;

/// Why a child could not do what its kind asks; it is printed with its causes and ends the process.
pub type KindError = Box<dyn Error + Send + Sync>;

/// What a child of some kind starts with.
#[derive(Debug)]
pub struct BootContext {
    kind: String,
    payload: Vec<u8>,
    launcher: Launcher,
}

impl BootContext {
    pub(super) fn new(boot: Boot, launcher: Launcher) -> Self {
        Self {
            kind: boot.kind,
            payload: boot.payload,
            launcher,
        }
    }

    /// Decodes what the launcher gave to [`Boot::new`].
    ///
    /// # Errors
    ///
    /// If it is no such value, or is one with something behind it.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        decode_all(&self.payload).map_err(|source| PayloadError {
            kind: self.kind.clone(),
            source,
        })
    }

    /// Returns the child's line to its launcher.
    pub fn launcher(&self) -> &Launcher {
        &self.launcher
    }
}

/// Error of a payload that cannot be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the boot data of a child of kind {kind:?} cannot be encoded or decoded")]
pub struct PayloadError {
    /// The kind of the child.
    pub kind: String,
    /// What is wrong.
    #[source]
    source: postcard::Error,
}

/// Decodes a value that takes all of `bytes`.
pub(crate) fn decode_all<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Decoder;

    #[test]
    fn boot_data_survives_the_frame_and_nothing_may_follow_it() {
        let boot = Boot::new("kind", &(7_u32, "text")).unwrap();
        let mut decoder = Decoder::default();
        decoder.push(&boot.to_frame().unwrap());
        let (kind, body) = decoder.next().unwrap().unwrap();
        assert_eq!(kind, FrameKind::Boot);

        let seen = Boot::from_body(&body).unwrap();
        assert_eq!(seen.kind, "kind");
        assert_eq!(
            decode_all::<(u32, String)>(&seen.payload),
            Ok((7, "text".into()))
        );
        assert!(decode_all::<u32>(&seen.payload).is_err());
        assert!(Boot::from_body(&body[..body.len() - 1]).is_err());
        assert!(Boot::from_body(&[&body[..], b"x"].concat()).is_err());
    }

    #[test]
    fn a_kind_is_found_by_its_name() {
        assert_eq!(BootKind::find("proc").map(|kind| kind.name), Some("proc"));
        assert!(BootKind::find("nobody").is_none());
    }
}
