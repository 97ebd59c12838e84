//! Hosts in child processes of this one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hypermesh_macros::Message;
use hypermesh_proc_mesh::alloc::bootstrap::{
    Boot, BootContext, BootKind, BootstrapCommand, KindError, KindFuture,
};
use hypermesh_proc_mesh::alloc::children::{
    ChildEvent, ChildKey, ChildSpec, Children, Ladder, Verdict,
};
use hypermesh_proc_mesh::alloc::settings::exit_ladder;
use hypermesh_proc_mesh::alloc::shim;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::channel::{ChannelAddr, ChannelTransport};
use crate::host::Host;
use crate::host_id::service_proc;
use crate::mailbox::{Gateway, GatewayOptions};
use crate::settings::HOST_START_TIMEOUT;

/// The name of this kind of child.
const KIND: &str = "host";

/// What a host process is told.
#[derive(Clone, Debug, Message)]
struct HostBoot {
    /// Where it binds: an address that leaves the choice to the system.
    bind: ChannelAddr,
    command: BootstrapCommand,
}

/// What a host process reports once its agent answers.
#[derive(Clone, Debug, Message)]
struct HostReady {
    front: ChannelAddr,
}

inventory::submit! { BootKind { name: KIND, run: |boot| -> KindFuture { Box::pin(run(boot)) } } }

/// Is a host until the launcher asks for its end, or its owner has shut it down.
async fn run(boot: BootContext) -> Result<(), KindError> {
    let HostBoot { bind, command } = boot.payload()?;
    let gateway = Gateway::new(GatewayOptions::new(Handle::current(), bind.transport()));
    // Whatever runs in this process is reached like the host.
    _ = shim::install(gateway.clone());
    let handle = Host::start(&gateway, command)?;
    let ready = HostReady {
        front: handle.host.front().clone(),
    };
    boot.launcher().report(&postcard::to_stdvec(&ready)?)?;
    tokio::select! {
        within = boot.launcher().drain_asked() => {
            let ladder = Ladder { drain: within / 2, term: within / 4 };
            handle.host.shutdown(ladder).await;
        }
        () = handle.host.closed() => {}
    }
    // The answer to whoever shut it down leaves before the host does.
    let Ladder { drain, .. } = exit_ladder();
    handle.proc.shutdown(drain).await;
    gateway.shutdown(drain).await;
    Ok(())
}

/// Child processes that are hosts. Dropping it kills them, and their workers with them.
pub(crate) struct HostProcesses {
    children: Children,
    shared: Arc<Shared>,
}

struct Shared {
    gateway: Gateway,
    processes: Mutex<HashMap<ChildKey, HostProcess>>,
    /// Changes with every event of a child.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct HostProcess {
    rank: usize,
    state: HostState,
}

#[derive(Debug)]
enum HostState {
    Starting,
    Ready(ChannelAddr),
    Ended(String),
}

/// Error of host processes that did not come up; none of them is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartHostsError {
    /// A host process ended, or could not be started.
    #[error(
        "host {rank} did not come up: {what}\n(if that is no failure of the program itself: does its \
         `main` reach the bootstrap entry point?)"
    )]
    Ended {
        /// The rank of the host.
        rank: usize,
        /// How it ended, and the last lines of its stderr.
        what: String,
    },
    /// Some host processes did not report in time.
    #[error(
        "hosts {ranks:?} did not report within {within:?}; does the `main` of their program reach the \
         bootstrap entry point?"
    )]
    Timeout {
        /// The ranks of the hosts.
        ranks: Vec<usize>,
        /// How long they had.
        within: std::time::Duration,
    },
    /// Their boot data cannot be made.
    #[error("the boot data of a host cannot be encoded")]
    Boot(#[from] hypermesh_proc_mesh::alloc::bootstrap::PayloadError),
    /// This process cannot watch child processes.
    #[error("this process cannot watch child processes")]
    Children(#[source] std::io::Error),
}

impl HostProcesses {
    /// Starts `count` hosts with `command` and returns them with their addresses once all answer.
    pub(crate) async fn start(
        count: usize,
        command: &BootstrapCommand,
        gateway: &Gateway,
        transport: ChannelTransport,
    ) -> Result<(Self, Vec<ChannelAddr>), StartHostsError> {
        let shared = Arc::new(Shared {
            gateway: gateway.clone(),
            processes: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let events = Arc::clone(&shared);
        let children = Children::start(move |key, event| events.on_event(key, event))
            .map_err(StartHostsError::Children)?;
        let boot = Boot::new(
            KIND,
            &HostBoot {
                bind: ChannelAddr::any(transport),
                command: command.clone(),
            },
        )?;
        for rank in 0..count {
            let (command, boot, label) = (command.clone(), boot.clone(), format!("host.{rank}"));
            let spec = ChildSpec {
                command,
                boot,
                label,
                report_within: None,
            };
            // The first event of the child waits for this lock.
            let mut processes = shared.processes();
            let key = children.spawn(spec);
            processes.insert(
                key,
                HostProcess {
                    rank,
                    state: HostState::Starting,
                },
            );
        }
        let this = Self { children, shared };
        let addrs = this.wait_ready().await?;
        Ok((this, addrs))
    }

    async fn wait_ready(&self) -> Result<Vec<ChannelAddr>, StartHostsError> {
        let within = HOST_START_TIMEOUT.get();
        let mut changed = self.shared.changed.subscribe();
        let ready = async {
            loop {
                if let Some(result) = self.shared.all_ready() {
                    return result;
                }
                // The sender lives as long as `self`.
                _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(within, ready).await {
            Ok(result) => result,
            Err(_) => Err(StartHostsError::Timeout {
                ranks: self.shared.late(),
                within,
            }),
        }
    }

    /// Lets the host processes end by `ladder`, and returns how many are left.
    pub(crate) async fn stop(&self, ladder: Ladder, margin: std::time::Duration) -> usize {
        self.children.stop_all(ladder);
        self.children.wait_empty(ladder.total() + margin).await
    }

    /// Like [`stop`](Self::stop), without a runtime.
    pub(crate) fn stop_blocking(&self, ladder: Ladder) -> usize {
        self.children.stop_all(ladder);
        self.children.wait_empty_blocking(ladder.total())
    }
}

impl Shared {
    fn processes(&self) -> MutexGuard<'_, HashMap<ChildKey, HostProcess>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the addresses in rank order if every host is ready, or the error of one that ended.
    fn all_ready(&self) -> Option<Result<Vec<ChannelAddr>, StartHostsError>> {
        let processes = self.processes();
        let mut addrs = vec![None; processes.len()];
        for HostProcess { rank, state } in processes.values() {
            match state {
                HostState::Starting => {}
                HostState::Ready(addr) => addrs[*rank] = Some(addr.clone()),
                HostState::Ended(what) => {
                    return Some(Err(StartHostsError::Ended {
                        rank: *rank,
                        what: what.clone(),
                    }));
                }
            }
        }
        addrs.into_iter().collect::<Option<Vec<_>>>().map(Ok)
    }

    fn late(&self) -> Vec<usize> {
        let processes = self.processes();
        let late = processes
            .values()
            .filter(|process| matches!(process.state, HostState::Starting));
        let mut late: Vec<_> = late.map(|process| process.rank).collect();
        late.sort_unstable();
        late
    }

    /// Takes in what happened to a host process. Called on the thread that watches the children.
    fn on_event(&self, key: ChildKey, event: ChildEvent) -> Verdict {
        let (verdict, ended) = self.note(key, event);
        if let Some((addr, why)) = ended {
            self.gateway.proc_died(service_proc(&addr), &why);
        }
        self.changed.send_replace(());
        verdict
    }

    /// Notes the new state of a host; if one that was ready has ended: its address and how.
    fn note(&self, key: ChildKey, event: ChildEvent) -> (Verdict, Option<(ChannelAddr, String)>) {
        let mut processes = self.processes();
        let Some(process) = processes.get_mut(&key) else {
            return (Verdict::Kill, None);
        };
        let why = match event {
            ChildEvent::Report(report) => match postcard::from_bytes::<HostReady>(&report) {
                Ok(ready) => {
                    process.state = HostState::Ready(ready.front);
                    return (Verdict::Keep, None);
                }
                Err(_) => return (Verdict::Kill, None),
            },
            ChildEvent::Exited(facts) => facts.to_string(),
            ChildEvent::StartFailed(error) => format!("{error}: {}", error.source),
            _ => return (Verdict::Keep, None),
        };
        let was = std::mem::replace(&mut process.state, HostState::Ended(why.clone()));
        match was {
            HostState::Ready(addr) => (Verdict::Keep, Some((addr, why))),
            HostState::Starting | HostState::Ended(_) => (Verdict::Keep, None),
        }
    }
}
