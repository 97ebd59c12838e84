//! What is known of a question while it waits for its answer.
//!
//! # Invariants
//!
//! - **INV-1**: a question that a handler asks ends no later than the question that the handler answers.
//! - **INV-2**: a cycle is reported only if every actor on it waits in its own task.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hypermesh_macros::Message;
use hypermesh_mailbox::ActorId;
use hypermesh_wire::Headers;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::chain::CallChain;
use super::running;
use crate::cell::AnyCell;

/// How many questions inside of each other are looked at.
const MAX_DEPTH: usize = 64;

/// Whatever holds a question.
pub(crate) trait Asked: Send + Sync {
    fn question(&self) -> &Question;
}

/// Who is asked.
pub(crate) enum Callee {
    /// An actor of this proc.
    Here(Arc<dyn AnyCell>),
    /// Any other.
    There(ActorId, Arc<str>),
}

/// What is known of a question while it waits for its answer.
pub(crate) struct Question {
    callee: Callee,
    /// The actor in whose task it was asked.
    asker: Option<ActorId>,
    /// The question that the asker answers by this one.
    outer: Option<Arc<dyn Asked>>,
    /// How many questions are around it, as far as they are kept.
    depth: usize,
    /// When the question around it ends that is not kept, because there are too many.
    bound: Option<Instant>,
    /// Who waits for whom in other procs, the last of them for the callee.
    far: CallChain,
    /// The answer is a stream, which may take longer than anybody waits for one value.
    open_ended: bool,
    /// The asker awaits the answer in its own task.
    waits: AtomicBool,
    /// How long the asker waits, in nanoseconds, from the first time it looks; 0 is not known yet.
    limit: AtomicU64,
    /// Until when it waits, from the second time it looks.
    due: OnceLock<Instant>,
}

/// What a question to another proc says about itself.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub(crate) struct QuestionHeader {
    /// How long the asker waits.
    limit: Duration,
    /// Who waits for the answer.
    chain: CallChain,
}

impl Question {
    /// Returns a question to `callee`, asked by the code that runs now.
    pub(crate) fn new(callee: Callee) -> Self {
        let mut outer = running::question();
        let mut depth = outer.as_ref().map_or(0, |outer| outer.question().depth + 1);
        let mut bound = None;
        if depth == MAX_DEPTH {
            // Of a longer way only its end is kept, so that it can be dropped like any other value.
            bound = outer.and_then(|outer| outer.question().due(Instant::now()));
            (outer, depth) = (None, 0);
        }
        Self {
            callee,
            asker: running::actor(),
            outer,
            depth,
            bound,
            far: CallChain::default(),
            open_ended: false,
            waits: AtomicBool::new(false),
            limit: AtomicU64::new(0),
            due: OnceLock::new(),
        }
    }

    /// Returns this as a question for a stream: it sets no limit to what its answer needs.
    pub(crate) fn open_ended(mut self) -> Self {
        self.open_ended = true;
        self
    }

    /// Returns what the headers of a message for `callee`, which came at `arrived`, say.
    pub(crate) fn of(
        headers: &Headers,
        arrived: Instant,
        callee: &Arc<dyn AnyCell>,
    ) -> Option<Arc<Self>> {
        let header = headers.get_as::<QuestionHeader>().unwrap_or_else(|error| {
            tracing::warn!(%error, "a question header cannot be read");
            None
        });
        let QuestionHeader { limit, chain } = header?;
        // A limit beyond the end of time is none.
        let due = arrived.checked_add(limit);
        Some(Arc::new(Self {
            callee: Callee::Here(callee.clone()),
            asker: None,
            outer: None,
            depth: 0,
            bound: None,
            far: chain,
            open_ended: false,
            waits: AtomicBool::new(false),
            limit: AtomicU64::new(nanos(limit)),
            due: due.map_or_else(OnceLock::new, OnceLock::from),
        }))
    }

    /// Makes a message tell another proc about this question, whose asker will wait for `limit`.
    pub(crate) fn stamp(&self, limit: Duration, headers: &mut Headers) {
        // A message that has no room for it asks all the same; nobody there knows how long.
        if let Err(error) = headers.set_as(&self.header(limit)) {
            tracing::debug!(%error, "a question does not say how long it waits");
        }
    }

    fn header(&self, limit: Duration) -> QuestionHeader {
        self.begin(limit);
        let now = Instant::now();
        let left = self.due(now).map(|due| due.saturating_duration_since(now));
        QuestionHeader {
            limit: left.map_or(limit, |left| left.min(limit)),
            chain: self.waiting(),
        }
    }

    pub(crate) fn callee_id(&self) -> ActorId {
        match &self.callee {
            Callee::Here(cell) => cell.core().id(),
            Callee::There(id, _) => *id,
        }
    }

    pub(crate) fn callee_cell(&self) -> Option<&Arc<dyn AnyCell>> {
        match &self.callee {
            Callee::Here(cell) => Some(cell),
            Callee::There(..) => None,
        }
    }

    /// The asker looks for the answer for the first time, and will wait for `limit`.
    pub(crate) fn begin(&self, limit: Duration) {
        self.limit.store(nanos(limit), Ordering::Relaxed);
        let waits = self.asker.is_some() && self.asker == running::actor();
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// Nobody waits any more.
    pub(crate) fn end(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Tells whether it is asked on behalf of another question.
    pub(crate) fn is_nested(&self) -> bool {
        self.outer.is_some()
    }

    /// Fixes until when the asker waits, and says whether that is shorter than `limit` because of an
    /// outer question (INV-1).
    pub(crate) fn fix(&self, limit: Duration) -> (Instant, bool) {
        let now = Instant::now();
        let own = add(now, limit);
        let outer = match self.outer() {
            Some(outer) => outer.due(now),
            None => self.bound,
        };
        let due = outer.map_or(own, |outer| outer.min(own));
        (*self.due.get_or_init(|| due), due < own)
    }

    /// Returns until when the asker waits, as far as is known at `now`.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let mut earliest: Option<Instant> = None;
        for question in self.outwards() {
            earliest = sooner(earliest, question.bound);
            if question.open_ended {
                continue;
            }
            let fixed = question.due.get().copied();
            let limit = question.limit.load(Ordering::Relaxed);
            let due = fixed.or_else(|| (limit != 0).then(|| add(now, Duration::from_nanos(limit))));
            earliest = sooner(earliest, due);
            if fixed.is_some() {
                // It took the outer ones into account.
                break;
            }
        }
        earliest
    }

    /// Returns who waits for whom, if the callee waits for the answer itself (INV-2). Looks beyond the
    /// asker only if `far`.
    pub(crate) fn cycle(&self, far: bool) -> Option<CallChain> {
        let callee = self.callee_id();
        let closes =
            |question: &Self| question.is_awaited_by(callee) || question.far.from(callee).is_some();
        let depth = if far { MAX_DEPTH } else { 1 };
        match self.outwards().take(depth).any(closes) {
            true => self.chain().from(callee),
            false => None,
        }
    }

    /// Returns who asked whom, from the first question to the callee of this one.
    pub(crate) fn chain(&self) -> CallChain {
        let (callee, label) = (self.callee_id(), self.label_of_callee());
        self.askers(|question| question.asker).then(callee, label)
    }

    /// Returns who waits for the answer, the last of them the asker.
    fn waiting(&self) -> CallChain {
        self.askers(Self::awaited_by)
    }

    /// Returns the askers of this question and of those around it, as `asker` says, the first one first.
    fn askers(&self, asker: impl Fn(&Self) -> Option<ActorId>) -> CallChain {
        let questions: Vec<&Self> = self.outwards().collect();
        let mut chain = CallChain::default();
        for question in questions.into_iter().rev() {
            if !question.far.links().is_empty() {
                chain = question.far.clone();
            }
            let Some(asker) = asker(question) else {
                continue;
            };
            // Who asks is whoever answers the question around this one; the first was told.
            match question.outer() {
                Some(outer) => chain = chain.then(asker, outer.label_of_callee()),
                None => chain = chain.then(asker, &question.label_of(asker)),
            }
        }
        chain
    }

    /// Returns this question and those around it.
    fn outwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |question| question.outer()).take(MAX_DEPTH)
    }

    /// Returns the question that the asker answers by this one.
    fn outer(&self) -> Option<&Self> {
        self.outer.as_ref().map(|outer| outer.question())
    }

    fn is_awaited_by(&self, actor: ActorId) -> bool {
        self.awaited_by() == Some(actor)
    }

    /// Returns the actor that does nothing else until there is an answer.
    fn awaited_by(&self) -> Option<ActorId> {
        self.asker.filter(|_| self.waits.load(Ordering::Relaxed))
    }

    fn label_of_callee(&self) -> &str {
        match &self.callee {
            Callee::Here(cell) => cell.core().label(),
            Callee::There(_, label) => label,
        }
    }

    /// Returns what people call `actor`, which lives beside the callee or has no better name here.
    fn label_of(&self, actor: ActorId) -> String {
        let beside = self.callee_cell().map(|cell| cell.core().proc());
        let found = beside.and_then(|proc| proc.shared().table.find(actor).ok());
        found.map_or_else(|| actor.to_string(), |cell| cell.core().label().to_owned())
    }
}

impl Asked for Question {
    fn question(&self) -> &Question {
        self
    }
}

/// Returns the earlier of two times, of which one may not be known.
fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Returns when `limit` is over.
pub(crate) fn after(limit: Duration) -> Instant {
    add(Instant::now(), limit)
}

/// Returns `now + limit`; as late as can be said if that is beyond the end of time.
fn add(now: Instant, limit: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(limit).unwrap_or_else(|| now + CENTURY)
}

fn nanos(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use hypermesh_mailbox::ProcId;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn actor(number: u64) -> ActorId {
        ProcId::new(1, 0, 0).actor(number, 0)
    }

    /// Asks each of `path` by the one before it, on behalf of each other, and returns the last
    /// question. All of them wait for `limits`, unless a limit is zero.
    fn ask(path: &[u64], limits: &[Duration]) -> Arc<Question> {
        let mut outer: Option<Arc<dyn Asked>> = None;
        let mut last = None;
        for (pair, limit) in path.windows(2).zip(limits) {
            let _running = running::enter(actor(pair[0]));
            let callee = Callee::There(actor(pair[1]), format!("a{}", pair[1]).into());
            let question = running::answering(&mut outer, || Question::new(callee));
            if !limit.is_zero() {
                question.begin(*limit);
                question.fix(*limit);
            }
            let question = Arc::new(question);
            outer = Some(question.clone());
            last = Some(question);
        }
        last.expect("a path has two actors or more")
    }

    /// Checks that the last question of `path` is due `left` from now, give or take a moment.
    #[track_caller]
    fn check_due(limits: &[u64], left: u64) {
        let path: Vec<u64> = (0..=limits.len() as u64).collect();
        let limits: Vec<_> = limits.iter().copied().map(Duration::from_secs).collect();
        let question = ask(&path, &limits);
        let now = Instant::now();
        let due = question.due(now).expect("somebody waits");
        let left = Duration::from_secs(left);
        assert!(due <= now + left, "later than {left:?}");
        assert!(now + left <= due + Duration::from_secs(5), "long before");
    }

    #[test]
    fn inv1_a_question_is_due_no_later_than_those_around_it() {
        check_due(&[1000], 1000);
        check_due(&[10, 1000], 10);
        check_due(&[1000, 10], 10);
        check_due(&[10, 1000, 1000], 10);
        check_due(&[1000, 10, 500], 10);
        // Nobody has looked for the middle one yet.
        check_due(&[10, 0, 1000], 10);
        let mut many = [1000; 300];
        many[0] = 10;
        check_due(&many, 10);
    }

    #[test]
    fn a_long_way_of_questions_is_dropped_like_any_other_value() {
        let path: Vec<u64> = (0..100_000).collect();
        let last = ask(&path, &vec![LONG; path.len()]);
        assert_eq!(Arc::strong_count(&last), 1);
        drop(last);
    }

    #[test]
    fn inv1_a_stream_limits_nothing_and_passes_on_what_limits_it() {
        let outer = ask(&[1, 2], &[LONG]);
        let mut asked: Option<Arc<dyn Asked>> = Some(outer.clone());
        let callee = || Callee::There(actor(3), "a3".into());
        let inside = running::answering(&mut asked, || Question::new(callee()).open_ended());
        inside.begin(Duration::from_secs(1));
        inside.fix(Duration::from_secs(1));
        let now = Instant::now();
        assert_eq!(inside.due(now), outer.due(now));
        let alone = Question::new(callee()).open_ended();
        alone.begin(LONG);
        assert_eq!(alone.due(now), None);
    }

    #[track_caller]
    fn check_cycle(path: &[u64], limits: &[Duration], cycle: Option<&[u64]>) {
        let found = ask(path, limits).cycle(true);
        let found = found.map(|chain| {
            let links = chain.links().iter();
            links.map(|link| link.actor.actor).collect::<Vec<_>>()
        });
        assert_eq!(found.as_deref(), cycle);
    }

    #[test]
    fn inv2_only_who_waits_is_on_a_cycle() {
        let waits = [LONG; 4];
        check_cycle(&[1, 1], &waits, Some(&[1, 1]));
        check_cycle(&[1, 2, 1], &waits, Some(&[1, 2, 1]));
        check_cycle(&[5, 1, 2, 3, 1], &waits, Some(&[1, 2, 3, 1]));
        check_cycle(&[1, 2, 3], &waits, None);
        // The first one has not looked for its answer, and is free.
        check_cycle(&[1, 2, 1], &[Duration::ZERO, LONG], None);
    }

    #[test]
    fn inv2_who_waits_no_more_is_on_no_cycle() {
        let first = ask(&[1, 2], &[LONG]);
        let mut asked: Option<Arc<dyn Asked>> = Some(first.clone());
        let _running = running::enter(actor(2));
        let callee = Callee::There(actor(1), "a1".into());
        let second = running::answering(&mut asked, || Question::new(callee));
        second.begin(LONG);
        assert!(second.cycle(true).is_some());
        first.end();
        assert!(second.cycle(true).is_none());
    }
}
