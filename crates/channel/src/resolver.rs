//! From host names to IP addresses: what an endpoint asks, and the resolver of the system behind it.
//!
//! # Invariants
//!
//! - **INV-1**: a name is looked up once at a time; who asks meanwhile gets the same answer. A name whose
//!   lookup hangs keeps one thread busy, however often it is asked for.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, task::spawn_blocking};

/// So many names are looked up at once: each has a thread of its own until the system answers.
const MAX_LOOKUPS: usize = 64;

/// What [`Resolver::resolve`] returns.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the IP addresses of host names, for the links of an endpoint.
///
/// It is for names that the system does not know: those of a scheduler, of a service registry, of a test.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// Returns the addresses of the host `name`, the best one first. The future must not block: it is
    /// polled on the runtime, and dropped when the link has waited long enough.
    ///
    /// # Errors
    ///
    /// Why there is no answer. The link tries again later.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The resolver of the operating system. It is asked on threads for such things, at most 64 at once.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    lookups: Arc<Lookups>,
}

impl SystemResolver {
    /// Returns the resolver of the system.
    pub fn new() -> Self {
        Self::with(|name| Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect()))
    }

    fn with(ask: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        let running = Mutex::default();
        Self {
            lookups: Arc::new(Lookups { ask, running }),
        }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let mut answer = self.lookups.find_or_begin(name)?;
            let answer = answer.wait_for(Option::is_some).await;
            // Without an answer the lookup was dropped: its runtime ended, or it panicked.
            let answer = answer.map_err(|_| io::Error::other("the lookup was given up"))?;
            let answer = answer.clone().expect("waited for above");
            answer.map_err(|(kind, text)| io::Error::new(kind, text))
        })
    }
}

/// An answer that can be given to several.
type Answer = Result<Vec<IpAddr>, (io::ErrorKind, String)>;

/// The lookups that have no answer yet.
#[derive(Debug)]
struct Lookups {
    ask: fn(&str) -> io::Result<Vec<IpAddr>>,
    running: Mutex<HashMap<Box<str>, watch::Receiver<Option<Answer>>>>,
}

impl Lookups {
    /// Returns the lookup of `name` that is running, or begins one (INV-1).
    fn find_or_begin(self: &Arc<Self>, name: &str) -> io::Result<watch::Receiver<Option<Answer>>> {
        let mut running = self.lock();
        if let Some(answer) = running.get(name) {
            return Ok(answer.clone());
        }
        if MAX_LOOKUPS <= running.len() {
            let text = format!("{MAX_LOOKUPS} other names are being looked up");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        let (sender, answer) = watch::channel(None);
        running.insert(name.into(), answer.clone());
        let lookup = Lookup {
            lookups: self.clone(),
            name: name.into(),
        };
        // A call of the system cannot be cancelled: nobody owns this thread but the runtime, which waits
        // for it at its end.
        spawn_blocking(move || {
            let result = (lookup.lookups.ask)(&lookup.name);
            drop(lookup);
            sender.send_replace(Some(result.map_err(|e| (e.kind(), e.to_string()))));
        });
        Ok(answer)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Receiver<Option<Answer>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a running lookup; gone when this is dropped.
struct Lookup {
    lookups: Arc<Lookups>,
    name: Box<str>,
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.lookups.lock().remove(&self.name);
    }
}
