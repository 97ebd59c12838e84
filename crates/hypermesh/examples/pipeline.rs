//! Three stages in three processes: each does its part of a job and asks the next one for the rest.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use hypermesh::prelude::*;

/// A text on its way through the stages that are left.
#[derive(Clone, Message)]
struct Process {
    text: String,
    next: Vec<ActorRef<Stage>>,
}

/// What a stage does to a text.
#[derive(Clone, Message)]
enum Work {
    Trim,
    Upper,
    Number,
}

struct Stage {
    work: Work,
    done: u64,
}

impl RemoteSpawn for Stage {
    type Params = Vec<Work>;

    async fn create(works: Vec<Work>, env: &Env) -> Result<Self> {
        // All are made from the same parameters; the rank says which stage this is.
        let rank = env.proc().id().rank as usize;
        let work = works.get(rank).cloned();
        let work = work.ok_or_else(|| Error::msg(format!("there is no stage {rank}")))?;
        Ok(Self { work, done: 0 })
    }
}

#[actor(spawn = "stage")]
impl Stage {
    #[handler(on_error = "reply")]
    async fn process(&mut self, cx: &Cx<'_, Self>, job: Process) -> Result<String> {
        let Process { text, mut next } = job;
        self.done += 1;
        let text = match self.work {
            Work::Trim if text.trim().is_empty() => return Err(Error::msg("an empty line")),
            Work::Trim => text.trim().to_owned(),
            Work::Upper => text.to_uppercase(),
            Work::Number => format!("{:>2}: {text}", self.done),
        };
        if next.is_empty() {
            return Ok(text);
        }
        // What the caller waits for is all the time that the stages have together, and its question
        // fails at once if one of them does.
        let stage = next.remove(0);
        Ok(stage.ask(cx, Process { text, next }).await?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let hosts = HostMesh::process(extent!(hosts = 1), BootstrapCommand::current()?).await?;
    let cx = global_root_client();
    let procs = hosts.spawn(cx, "procs", extent!(stages = 3)).await?;
    let works = vec![Work::Trim, Work::Upper, Work::Number];
    let stages = procs.spawn::<Stage>(cx, "stage", &works).await?;
    let mut stages: Vec<_> = stages.iter_actor_refs().collect();
    let first = stages.remove(0);

    // All are asked before the first answer is awaited: the stages work at the same time.
    let lines = ["  the quick ", "brown fox", "   ", "jumps"];
    let answers = lines.map(|line| {
        let text = line.to_owned();
        let next = stages.clone();
        first.ask(cx, Process { text, next })
    });
    let mut out = Vec::new();
    for (line, answer) in lines.iter().zip(answers) {
        match answer.await {
            Ok(text) => out.push(text),
            Err(error) => println!("{line:?}: {error}"),
        }
    }
    out.iter().for_each(|line| println!("{line}"));
    assert_eq!(out, [" 1: THE QUICK", " 2: BROWN FOX", " 3: JUMPS"]);

    hosts.shutdown(cx).await?;
    Ok(())
}
