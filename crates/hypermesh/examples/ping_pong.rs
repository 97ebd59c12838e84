//! Two actors in two processes send a ball to each other; neither knows where the other lives.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use hypermesh::prelude::*;

/// The ball, with where to go next and whom to tell when it has been hit often enough.
#[derive(Clone, Message)]
struct Ball {
    hits_left: u32,
    next: ActorRef<Player>,
    done: PortRef<u32>,
}

/// How often a player has hit the ball.
#[derive(Clone, Message)]
struct Hits;

#[derive(Default)]
struct Player {
    hits: u32,
}

impl RemoteSpawn for Player {
    type Params = ();
    async fn create(_params: (), _env: &Env) -> Result<Self> {
        Ok(Self::default())
    }
}

#[actor(spawn = "player")]
impl Player {
    #[handler]
    fn hit(&mut self, cx: &Cx<'_, Self>, ball: Ball) -> Result<()> {
        self.hits += 1;
        let Some(hits_left) = ball.hits_left.checked_sub(1) else {
            ball.done.send(cx, self.hits);
            return Ok(());
        };
        let next = ball.next.clone();
        next.tell(
            cx,
            Ball {
                hits_left,
                next: cx.self_ref(),
                done: ball.done,
            },
        )?;
        Ok(())
    }

    #[handler]
    fn hits(&mut self, _cx: &Cx<'_, Self>, _: Hits) -> Result<u32> {
        Ok(self.hits)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let hosts = HostMesh::process(extent!(hosts = 1), BootstrapCommand::current()?).await?;
    let cx = global_root_client();
    let procs = hosts.spawn(cx, "court", extent!(players = 2)).await?;
    let players = procs.spawn::<Player>(cx, "player", &()).await?;
    let [left, right] = [0, 1].map(|rank| players.get(rank).expect("there are two"));

    let (done, mut is_done) = cx.mailbox().open_port::<u32>();
    let started = std::time::Instant::now();
    left.tell(
        cx,
        Ball {
            hits_left: 9_999,
            next: right.clone(),
            done: done.bind(),
        },
    )?;
    let last = is_done.recv().await?;
    println!(
        "10000 hits in {:?}; the last player had {last}",
        started.elapsed()
    );
    for (name, player) in [("left", &left), ("right", &right)] {
        println!("{name}: {} hits", player.ask(cx, Hits).await?);
    }
    hosts.shutdown(cx).await?;
    Ok(())
}
