//! The task of a proc that tells its peers that it is there, and notices when others are silent.

use std::sync::Arc;

use hypermesh_mailbox::ProcId;
use tokio::time::timeout_at;

use super::notice::End;
use crate::proc::Proc;

impl Proc {
    /// Starts the task with the first interest in another proc, or of another proc; it goes on until the
    /// proc has ended.
    pub(super) fn start_pulse(&self) {
        let monitoring = self.monitoring();
        monitoring.changed.notify_one();
        let mut pulse = monitoring.lock_pulse();
        if pulse.is_some() || !self.is_attached() {
            return;
        }
        let proc = self.unowned();
        *pulse = Some(self.runtime().spawn(beat(proc)));
        drop(pulse);
        let shared = Arc::downgrade(self.shared());
        let watch = self
            .gateway()
            .on_proc_death(Arc::new(move |dead: ProcId, why: &str| {
                if let Some(shared) = shared.upgrade() {
                    Proc::of_shared(shared).peer_gone(dead, &End::ProcDied(why.to_owned()));
                }
            }));
        let mut deaths = monitoring
            .deaths
            .lock()
            .expect("nothing panics under this lock");
        *deaths = Some(watch);
    }
}

async fn beat(proc: Proc) {
    let monitoring = proc.monitoring();
    loop {
        let due = monitoring.lock().next_due();
        let changed = monitoring.changed.notified();
        match due {
            Some(due) => _ = timeout_at(due, changed).await,
            // There is no end but that of the proc, which ends this task.
            None => changed.await,
        }
        let acts = monitoring.lock().tick(proc.now());
        proc.carry_out(acts);
    }
}
