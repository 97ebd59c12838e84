//! The program of the README.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use hypermesh::prelude::*;

#[derive(Clone, Message)]
struct Square(usize);

struct Worker;

impl RemoteSpawn for Worker {
    type Params = ();
    async fn create(_: (), _: &Env) -> Result<Self> {
        Ok(Self)
    }
}

#[actor(spawn = "worker")]
impl Worker {
    #[handler]
    fn square(&mut self, cx: &Cx<'_, Self>, Square(n): Square) -> Result<usize> {
        Ok(n * n + cx.point().map_or(0, |point| point.rank()))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let hosts = HostMesh::process(extent!(hosts = 2), BootstrapCommand::current()?).await?;
    let cx = global_root_client();
    let procs = hosts.spawn(cx, "procs", extent!(gpus = 2)).await?;
    let workers = procs.spawn::<Worker>(cx, "worker", &()).await?;
    let answers = workers.call(cx, sel!(*), Square(10)).await?;
    answers
        .iter()
        .for_each(|(point, answer)| println!("{point}: {answer:?}"));
    Ok(hosts.shutdown(cx).await?)
}
