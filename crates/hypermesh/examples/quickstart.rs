//! Two hosts, two workers on each, and a question that all of them answer.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use hypermesh::prelude::*;

#[derive(Clone, Message)]
struct Greet(String);

struct Greeter;

impl RemoteSpawn for Greeter {
    type Params = ();
    async fn create(_params: (), _env: &Env) -> Result<Self> {
        Ok(Self)
    }
}

#[actor(spawn = "greeter")]
impl Greeter {
    #[handler]
    fn greet(&mut self, cx: &Cx<'_, Self>, Greet(whom): Greet) -> Result<String> {
        let here = cx
            .point()
            .map(|point| point.to_string())
            .unwrap_or_default();
        Ok(format!(
            "hello {whom} from {here} in process {}",
            std::process::id()
        ))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    // The workers are this program started again: in them, this line takes over and never returns.
    let hosts = HostMesh::process(extent!(hosts = 2), BootstrapCommand::current()?).await?;
    let cx = global_root_client();
    let procs = hosts.spawn(cx, "workers", extent!(procs = 2)).await?;
    let greeters = procs.spawn::<Greeter>(cx, "greeter", &()).await?;

    let everyone = greeters.call(cx, sel!(*), Greet("everyone".into())).await?;
    for (point, answer) in everyone.iter() {
        println!(
            "{point}: {}",
            answer
                .as_ref()
                .map_or_else(|failure| failure.to_string(), String::clone)
        );
    }
    let first_host = greeters
        .call(cx, sel!(0, *), Greet("host 0".into()))
        .await?;
    println!("{} answers from the first host", first_host.iter().count());

    hosts.shutdown(cx).await?;
    Ok(())
}
