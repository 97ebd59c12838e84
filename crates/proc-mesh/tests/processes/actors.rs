//! The actors that live in the child processes.

use hypermesh_proc_mesh::alloc::actor::mailbox::PortRef;
use hypermesh_proc_mesh::alloc::actor::{
    ActorRef, Cx, Env, Error, Message, Orphan, RemoteSpawn, ReplyTo, Result, actor,
};

/// Asks for the operating system's id of the process.
#[derive(Debug, Clone, Message)]
pub(crate) struct Pid;

/// Asks for the length of some bytes.
#[derive(Debug, Clone, Message)]
pub(crate) struct Weigh(pub(crate) Vec<u8>);

/// Fails the receiver with this text.
#[derive(Debug, Clone, Message)]
pub(crate) struct Fail(pub(crate) String);

/// Never answered.
#[derive(Debug, Clone, Message)]
pub(crate) struct Hang;

/// Ends the process of the receiver with this status.
#[derive(Debug, Clone, Message)]
pub(crate) struct Leave(pub(crate) i32);

/// Asks the receiver to take an actor as its child, which goes on without it if it `stays`.
#[derive(Debug, Clone, Message)]
pub(crate) struct Adopt {
    pub(crate) child: ActorRef<Worker>,
    pub(crate) stays: bool,
}

/// Hands on to the last of a list of actors, and tells when all have seen it.
#[derive(Debug, Clone, Message)]
pub(crate) struct Forward {
    pub(crate) rest: Vec<ActorRef<Worker>>,
    pub(crate) n_visits: u64,
    pub(crate) done: PortRef<u64>,
}

/// Does what the tests ask of a process.
pub(crate) struct Worker {
    waiting: Vec<ReplyTo<()>>,
}

impl RemoteSpawn for Worker {
    /// The rank on which it cannot be made.
    type Params = Option<u32>;

    async fn create(refuse: Option<u32>, env: &Env) -> Result<Self> {
        match refuse {
            Some(rank) if rank == env.proc().id().rank => Err(Error::msg("no room")),
            _ => Ok(Worker {
                waiting: Vec::new(),
            }),
        }
    }
}

#[actor(spawn = "proc_mesh_processes::worker")]
impl Worker {
    #[handler]
    fn pid(&mut self, _cx: &Cx<'_, Self>, _: Pid) -> Result<u32> {
        Ok(std::process::id())
    }

    #[handler]
    fn weigh(&mut self, _cx: &Cx<'_, Self>, Weigh(bytes): Weigh) -> Result<u64> {
        Ok(bytes.len() as u64)
    }

    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, Fail(text): Fail) -> Result<()> {
        Err(Error::msg(text))
    }

    #[handler]
    fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang, reply: ReplyTo<()>) {
        self.waiting.push(reply);
    }

    #[handler]
    #[expect(clippy::disallowed_methods, reason = "a test of a process that exits")]
    fn leave(&mut self, _cx: &Cx<'_, Self>, Leave(status): Leave) -> Result<()> {
        std::process::exit(status)
    }

    #[handler]
    async fn adopt(&mut self, cx: &Cx<'_, Self>, Adopt { child, stays }: Adopt) -> Result<()> {
        let orphan = if stays { Orphan::Detach } else { Orphan::Stop };
        child.adopt(cx, orphan).await??;
        Ok(())
    }

    #[handler]
    fn forward(&mut self, cx: &Cx<'_, Self>, message: Forward) -> Result<()> {
        let Forward {
            mut rest,
            n_visits,
            done,
        } = message;
        match rest.pop() {
            Some(next) => next.tell(
                cx,
                Forward {
                    rest,
                    n_visits: n_visits + 1,
                    done,
                },
            )?,
            None => done.send(cx, n_visits + 1),
        }
        Ok(())
    }
}
