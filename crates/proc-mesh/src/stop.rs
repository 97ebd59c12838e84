//! Stops the actors of one name on all procs of a mesh.

use std::future::IntoFuture;
use std::time::Duration;

use hypermesh_alloc::actor::mailbox::{Cause, name_key};
use hypermesh_alloc::actor::{Exit, Mode, StopActor, StopOutcome, context};
use hypermesh_ndslice::{Rank, Selection};
use tracing::Instrument;

use crate::board::Board;
use crate::call::CallError;
use crate::proc_mesh::ProcMesh;
use crate::proc_mesh_ref::ProcMeshRef;
use crate::rank_failure::RankFailure;
use crate::settings::STOP_ACTOR_TIMEOUT;
use crate::value_mesh::ValueMesh;

/// How long an agent may take to answer beyond the time that the actor has.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// What became of each actor of a mesh that was to be stopped, or why nothing is known.
pub type StopOutcomes = ValueMesh<Result<StopOutcome, RankFailure>>;

/// Error of stopping the actors of one name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopActorError {
    /// The procs could not be asked.
    #[error("the procs could not be asked to stop {name:?}")]
    Call {
        /// The name of the actors.
        name: String,
        /// Why not.
        #[source]
        source: Box<CallError>,
    },
    /// Some procs did not say what became of their actors.
    #[error("rank {rank} did not confirm that {name:?} stopped: {failure}")]
    NotConfirmed {
        /// The name of the actors.
        name: String,
        /// The first of the ranks.
        rank: usize,
        /// Why not.
        failure: RankFailure,
        /// What became of all of them.
        outcomes: Box<StopOutcomes>,
    },
    /// Some actors did not exist, or did not stop in time and were killed.
    #[error("{name:?} at rank {rank}: {}", text(.outcome))]
    NotStopped {
        /// The name of the actors.
        name: String,
        /// The first of the ranks.
        rank: usize,
        /// What became of the actor there.
        outcome: StopOutcome,
        /// What became of all of them.
        outcomes: Box<StopOutcomes>,
    },
}

fn text(outcome: &StopOutcome) -> &'static str {
    match outcome {
        StopOutcome::Stopped => "it stopped",
        StopOutcome::Failed(_) => "it failed",
        StopOutcome::NotFound => "there is no such actor",
        StopOutcome::Timeout => "it did not stop in time and was killed",
    }
}

impl ProcMeshRef {
    /// Stops the actors called `mesh_name` on all procs, and tells what became of each.
    ///
    /// Each has the setting `STOP_ACTOR_TIMEOUT` to stop, all at the same time, and is killed then.
    ///
    /// # Errors
    ///
    /// [`StopActorError::Call`] if the procs could not be asked.
    pub async fn stop_actors(
        &self,
        cx: &impl context::Actor,
        mesh_name: &str,
    ) -> Result<StopOutcomes, StopActorError> {
        let span = tracing::info_span!("stop", world = %self.world_id(), mesh_name);
        let timeout = STOP_ACTOR_TIMEOUT.get();
        let request = StopActor {
            name: mesh_name.to_owned(),
            mode: Mode::Stop,
            timeout,
        };
        let call = self.agents().call(cx, Selection::all(), request);
        let outcomes = call
            .timeout(timeout + ANSWER_MARGIN)
            .into_future()
            .instrument(span)
            .await;
        outcomes.map_err(|error| StopActorError::Call {
            name: mesh_name.to_owned(),
            source: Box::new(error),
        })
    }
}

impl ProcMesh {
    /// Stops the actors called `mesh_name` on all procs, and returns when they are gone.
    ///
    /// An actor that does not stop in time is killed, and one that is not there has stopped; both are
    /// no errors, see [`stop_actor_by_name_strict`](Self::stop_actor_by_name_strict). The name is free
    /// again.
    ///
    /// # Errors
    ///
    /// [`StopActorError`] if a proc that lives did not confirm.
    pub async fn stop_actor_by_name(
        &self,
        cx: &impl context::Actor,
        mesh_name: &str,
    ) -> Result<(), StopActorError> {
        let outcomes = self.stop_actor_outcomes(cx, mesh_name).await?;
        confirmed(mesh_name, outcomes)?;
        Ok(())
    }

    /// Like [`stop_actor_by_name`](Self::stop_actor_by_name), and an actor that is not there or does
    /// not stop in time is an error.
    ///
    /// # Errors
    ///
    /// [`StopActorError`] if not every rank confirmed that it stopped an actor.
    pub async fn stop_actor_by_name_strict(
        &self,
        cx: &impl context::Actor,
        mesh_name: &str,
    ) -> Result<(), StopActorError> {
        let outcomes = self.stop_actor_outcomes(cx, mesh_name).await?;
        let outcomes = confirmed(mesh_name, outcomes)?;
        let missed = outcomes.iter().find_map(|(point, outcome)| match outcome {
            Ok(missed @ (StopOutcome::NotFound | StopOutcome::Timeout)) => {
                Some((point.rank(), missed.clone()))
            }
            _ => None,
        });
        match missed {
            None => Ok(()),
            Some((rank, outcome)) => {
                let (name, outcomes) = (mesh_name.to_owned(), Box::new(outcomes));
                Err(StopActorError::NotStopped {
                    name,
                    rank,
                    outcome,
                    outcomes,
                })
            }
        }
    }

    /// Stops the actors called `mesh_name` on all procs, and tells what became of each.
    ///
    /// # Errors
    ///
    /// [`StopActorError::Call`] if the procs could not be asked.
    pub async fn stop_actor_outcomes(
        &self,
        cx: &impl context::Actor,
        mesh_name: &str,
    ) -> Result<StopOutcomes, StopActorError> {
        let outcomes = self.stop_actors(cx, mesh_name).await?;
        record(self.board(), self, mesh_name, &outcomes);
        Ok(outcomes)
    }
}

/// Returns the outcomes if every proc that lives has told one.
fn confirmed(name: &str, outcomes: StopOutcomes) -> Result<StopOutcomes, StopActorError> {
    let failed = outcomes.iter().find_map(|(point, outcome)| match outcome {
        Ok(_) | Err(RankFailure::ProcDied(_)) => None,
        Err(RankFailure::Undeliverable(Cause::OwnerExited(_) | Cause::ProcNotFound)) => None,
        Err(failure) => Some((point.rank(), failure.clone())),
    });
    match failed {
        None => Ok(outcomes),
        Some((rank, failure)) => {
            let (name, outcomes) = (name.to_owned(), Box::new(outcomes));
            Err(StopActorError::NotConfirmed {
                name,
                rank,
                failure,
                outcomes,
            })
        }
    }
}

/// Tells the owner of the mesh what became of the actors called `name` on `procs`.
pub(crate) fn record(board: &Board, procs: &ProcMeshRef, name: &str, outcomes: &StopOutcomes) {
    let exit = |(rank, outcome): (Rank, &Result<StopOutcome, RankFailure>)| {
        let exit = match outcome {
            Ok(StopOutcome::Stopped | StopOutcome::NotFound) => Exit::Stopped,
            Ok(StopOutcome::Failed(exit)) => exit.clone(),
            Ok(StopOutcome::Timeout) => Exit::Killed,
            // The end of the proc will tell.
            Err(_) => return None,
        };
        Some((rank.into(), exit))
    };
    let exits: Vec<(usize, Exit)> = procs
        .shape()
        .ranks()
        .zip(outcomes.values())
        .filter_map(exit)
        .collect();
    board.record(|ledger| ledger.on_stopped(name_key(name), &exits));
}
