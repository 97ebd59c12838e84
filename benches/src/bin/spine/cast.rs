//! One call of 64 bytes to every rank and all the answers: over processes and inside one.

use std::time::Instant;

use bytes::Bytes;
use hypermesh::alloc::{AllocSpec, Allocator, LocalAllocator, ProcessAllocator};
use hypermesh::prelude::*;
use hypermesh::proc_mesh::default_transport;
use hypermesh_benches::{Figure, Limit, Outcome, Report, Unit};

use crate::raw::Echoes;
use crate::{PAYLOAD, nanoseconds};

/// Processes of a round.
const N_PROCESSES: usize = 8;

/// Procs inside this process.
const N_LOCAL: usize = 1000;

/// Rounds over processes in one repetition.
const N_ROUNDS: u32 = 500;

/// Rounds inside this process in one repetition.
const N_LOCAL_ROUNDS: u32 = 20;

/// What every rank sends back.
#[derive(Clone, Message)]
struct Echo(Blob);

struct Mirror;

impl RemoteSpawn for Mirror {
    type Params = ();

    async fn create(_params: (), _env: &Env) -> Result<Self> {
        Ok(Self)
    }
}

#[actor(spawn = "spine_mirror")]
impl Mirror {
    #[handler]
    async fn echo(&mut self, _cx: &Cx<'_, Self>, Echo(bytes): Echo) -> Result<Blob> {
        Ok(bytes)
    }
}

/// Measures all three.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let cx = global_root_client();
    let limit = Limit::RatioAtMost(3.0);
    let hosts = Figure::new("cast+gather 8 processes, host", Unit::Nanoseconds, limit);
    if report.wants(&hosts.name) {
        let host_mesh = HostMesh::local().await?;
        let mut proc_mesh = host_mesh
            .spawn(cx, "bench", extent!(procs = N_PROCESSES))
            .await?;
        beside_sockets(report, hosts, &proc_mesh).await?;
        proc_mesh.stop(cx).await?;
        host_mesh.shutdown(cx).await?;
    }
    let alloc = Figure::new("cast+gather 8 processes, alloc", Unit::Nanoseconds, limit);
    if report.wants(&alloc.name) {
        let mut allocator = ProcessAllocator::new(BootstrapCommand::current()?);
        let mut proc_mesh =
            ProcMesh::allocate(allocator.allocate(spec(N_PROCESSES)).await?).await?;
        beside_sockets(report, alloc, &proc_mesh).await?;
        proc_mesh.stop(cx).await?;
    }
    let local = Figure::new(
        "cast+gather 1000 local procs",
        Unit::Nanoseconds,
        Limit::AtMost(20e6),
    );
    if report.wants(&local.name) {
        let mut allocator = LocalAllocator::new();
        let mut proc_mesh = ProcMesh::allocate(allocator.allocate(spec(N_LOCAL)).await?).await?;
        let mirrors = proc_mesh.spawn::<Mirror>(cx, "mirrors", &()).await?;
        report
            .measure(local, async || round(&mirrors, N_LOCAL_ROUNDS).await)
            .await?;
        drop(mirrors);
        proc_mesh.stop(cx).await?;
    }
    Ok(())
}

/// Measures calls of `proc_mesh` beside raw sockets to as many processes.
async fn beside_sockets(report: &mut Report, figure: Figure, proc_mesh: &ProcMesh) -> Outcome<()> {
    let mirrors = proc_mesh
        .spawn::<Mirror>(global_root_client(), "mirrors", &())
        .await?;
    // They live as long as the workers: where the system has put them, on one processor or on many, makes
    // a factor of two, and it takes its time to spread them.
    let mut echoes = Echoes::start(N_PROCESSES)?;
    let ours = async || round(&mirrors, N_ROUNDS).await;
    let raw = async || Ok(nanoseconds(echoes.round(N_ROUNDS)?));
    report.compare(figure, ours, raw).await?;
    echoes.stop()?;
    Ok(())
}

/// Returns the nanoseconds of one call: the payload to every rank, and the answers of all.
async fn round(mirrors: &ActorMeshRef<Mirror>, n_rounds: u32) -> Outcome<f64> {
    let cx = global_root_client();
    let bytes = Bytes::from_static(&[7; PAYLOAD]);
    let start = Instant::now();
    for _ in 0..n_rounds {
        let answers = mirrors.call(cx, sel!(*), Echo(Blob(bytes.clone()))).await?;
        for answer in answers.values() {
            let Blob(echo) = answer.as_ref().map_err(RankFailure::clone)?;
            assert_eq!(*echo, bytes, "the echo is not what was sent");
        }
    }
    Ok(nanoseconds(start.elapsed() / n_rounds))
}

fn spec(n_procs: usize) -> AllocSpec {
    AllocSpec::new(extent!(procs = n_procs), default_transport())
}
