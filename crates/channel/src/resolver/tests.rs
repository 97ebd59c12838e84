//! One lookup for each name at a time, and an end to their number.

use std::{
    net::Ipv4Addr,
    sync::{
        Condvar,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{join, runtime};

use super::*;

/// The doors of one test: its resolver is a plain function, and asks here.
static OPEN: Mutex<bool> = Mutex::new(false);
static OPENED: Condvar = Condvar::new();
static ASKED: AtomicUsize = AtomicUsize::new(0);

fn wait_for_the_door(name: &str) -> io::Result<Vec<IpAddr>> {
    ASKED.fetch_add(1, Ordering::SeqCst);
    let mut open = OPEN.lock().unwrap();
    while !*open {
        open = OPENED.wait(open).unwrap();
    }
    match name {
        "known" => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
        name => Err(io::Error::new(io::ErrorKind::NotFound, name)),
    }
}

#[test]
fn inv1_a_name_is_looked_up_once_at_a_time() {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let resolver = SystemResolver::with(wait_for_the_door);
        let lookups = resolver.lookups.clone();
        // Askers that give up leave nothing behind but the one lookup.
        for _ in 0..100 {
            drop(lookups.find_or_begin("known").unwrap());
        }
        assert_eq!(lookups.lock().len(), 1);
        for i in 1..MAX_LOOKUPS {
            drop(lookups.find_or_begin(&i.to_string()).unwrap());
        }
        let error = resolver.resolve("one more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        *OPEN.lock().unwrap() = true;
        OPENED.notify_all();
        let (one, other) = join!(resolver.resolve("known"), resolver.resolve("known"));
        assert_eq!(one.unwrap(), [Ipv4Addr::LOCALHOST]);
        assert_eq!(other.unwrap(), [Ipv4Addr::LOCALHOST]);
        let error = resolver.resolve("unknown").await.unwrap_err();
        assert_eq!(error.to_string(), "unknown");
    });
    drop(runtime);
    // 64 names at first, and three questions when the door was open.
    let asked = ASKED.load(Ordering::SeqCst);
    assert!(asked <= MAX_LOOKUPS + 3, "{asked}");
}

#[tokio::test]
async fn the_system_knows_this_machine() {
    let found = SystemResolver::new().resolve("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    assert!(!found.is_empty());
}
