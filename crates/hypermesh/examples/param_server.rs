//! Workers in other processes fit a line to their own points; a server has the parameters they share.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use hypermesh::prelude::*;

/// The line `y = slope * x + offset`.
#[derive(Clone, Copy, Default, Message)]
struct Line {
    slope: f64,
    offset: f64,
}

/// Asks the server for the line of now.
#[derive(Clone, Message)]
struct Pull;

/// Moves the line a little; the answer is how often it was moved.
#[derive(Clone, Message)]
struct Push(Line);

#[derive(Default)]
struct Server {
    line: Line,
    pushes: u64,
}

#[actor]
impl Server {
    #[handler]
    fn pull(&mut self, _cx: &Cx<'_, Self>, _: Pull) -> Result<Line> {
        Ok(self.line)
    }

    #[handler]
    fn push(&mut self, _cx: &Cx<'_, Self>, Push(step): Push) -> Result<u64> {
        self.line.slope += step.slope;
        self.line.offset += step.offset;
        self.pushes += 1;
        Ok(self.pushes)
    }
}

/// Makes a worker take so many steps against its error on its own points.
#[derive(Clone, Message)]
struct Train {
    server: ActorRef<Server>,
    steps: u32,
}

struct Worker {
    points: Vec<(f64, f64)>,
}

impl RemoteSpawn for Worker {
    type Params = u32;

    async fn create(workers: u32, env: &Env) -> Result<Self> {
        // Each worker has another part of the points of one line.
        let rank = env.proc().id().rank;
        let xs = (0..40).filter(|n| n % workers == rank);
        let xs = xs.map(|n| f64::from(n) / 20.0 - 1.0);
        Ok(Self {
            points: xs.map(|x| (x, 3.0 * x - 2.0)).collect(),
        })
    }
}

#[actor(spawn = "worker")]
impl Worker {
    #[handler]
    async fn train(&mut self, cx: &Cx<'_, Self>, Train { server, steps }: Train) -> Result<f64> {
        let mut error = 0.0;
        for _ in 0..steps {
            let line = server.ask(cx, Pull).await?;
            let (mut step, count) = (Line::default(), self.points.len() as f64);
            error = 0.0;
            for (x, y) in &self.points {
                let off = line.slope * x + line.offset - y;
                step.slope -= 0.1 * off * x / count;
                step.offset -= 0.1 * off / count;
                error += off * off / count;
            }
            server.ask(cx, Push(step)).await?;
        }
        Ok(error)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let hosts = HostMesh::process(extent!(hosts = 1), BootstrapCommand::current()?).await?;
    let cx = global_root_client();
    let procs = hosts.spawn(cx, "procs", extent!(workers = 4)).await?;
    let workers = procs.spawn::<Worker>(cx, "worker", &4).await?;
    // The server lives here: its ref works in every process.
    let server = cx.spawn(Server::default());

    for round in 1..=3 {
        let train = Train {
            server: server.bind(),
            steps: 100,
        };
        let errors = workers.call(cx, sel!(*), train).await?;
        let mut worst: f64 = 0.0;
        for (_, error) in errors.iter() {
            worst = worst.max(error.clone()?);
        }
        let Line { slope, offset } = server.ask(Pull).await?;
        println!("round {round}: y = {slope:.3} x + {offset:.3}, error {worst:.6}");
    }
    let Line { slope, offset } = server.ask(Pull).await?;
    assert!((slope - 3.0).abs() < 0.01 && (offset + 2.0).abs() < 0.01);

    hosts.shutdown(cx).await?;
    Ok(())
}
