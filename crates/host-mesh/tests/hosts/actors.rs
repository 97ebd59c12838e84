//! The actors that the cases spawn.

use std::process::id;

use hypermesh_host_mesh::proc_mesh::alloc::actor::mailbox::PortRef;
use hypermesh_host_mesh::proc_mesh::alloc::actor::{ActorRef, Cx, Env, Error, RemoteSpawn, Result};
use hypermesh_macros::{Message, actor};

/// Answers with what it knows about itself.
pub(crate) struct Echo;

/// Asks for the process, the point and the extent of a member.
#[derive(Clone, Message)]
pub(crate) struct WhoAreYou;

/// Sends `text` on to `next`, which reports it to `seen`.
#[derive(Clone, Message)]
pub(crate) struct Forward {
    pub(crate) text: String,
    pub(crate) next: Option<ActorRef<Echo>>,
    pub(crate) seen: PortRef<String>,
}

/// Makes the member fail.
#[derive(Clone, Message)]
pub(crate) struct Fail(pub(crate) String);

impl RemoteSpawn for Echo {
    type Params = ();

    async fn create(_params: (), _env: &Env) -> Result<Self> {
        Ok(Self)
    }
}

#[actor(spawn = "hosts.echo")]
impl Echo {
    #[handler]
    fn who_are_you(&mut self, cx: &Cx<'_, Self>, _: WhoAreYou) -> Result<(u32, String)> {
        Ok((
            id(),
            cx.point()
                .map(|point| point.to_string())
                .unwrap_or_default(),
        ))
    }

    #[handler]
    fn forward(&mut self, cx: &Cx<'_, Self>, Forward { text, next, seen }: Forward) -> Result<()> {
        match next {
            Some(next) => next.tell(
                cx,
                Forward {
                    text,
                    next: None,
                    seen,
                },
            )?,
            None => seen.send(cx, text),
        }
        Ok(())
    }

    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, Fail(text): Fail) -> Result<()> {
        Err(Error::msg(text))
    }
}
