//! One accepted connection: from its handshake to its end.

use std::{
    collections::BTreeMap,
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    select,
    sync::OwnedSemaphorePermit,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    LAST_WORDS, Listening, Taker, count,
    greeting::{self, GreetingError},
};
use crate::{
    carried::Carried,
    duplex::Halves,
    frame::{FrameError, Header},
    handshake::{Accepted, Answer, RefusalCode},
    heart::Heart,
    identity::PeerIdentity,
    inlet::{End, Inlet, Sessions},
    kept::Kept,
    listener::Incoming,
    open::{Open, WAY_BACK},
    outcome::ProtocolError,
    outlet::Outlet,
    relay::{self, Leg},
    served::Served,
    settings::Limits,
    stream::{Reader, Stream, Writer},
    warnings::Cause,
};

/// So much is read at once of what is thrown away.
const DRAIN: usize = 4 << 10;

/// The task of a connection.
pub(super) async fn run(
    listening: Arc<Listening>,
    incoming: Incoming,
    permit: OwnedSemaphorePermit,
) {
    // In memory of its own, which an established connection does not keep.
    let Some(stream) = Box::pin(establish(&listening, incoming)).await else {
        return;
    };
    let identity = stream.identity().ok().flatten();
    let foreign_user = stream.foreign_user();
    let (mut reader, mut writer) = match stream.split(&listening.endpoint.heard) {
        Ok(halves) => halves,
        Err(error) => {
            count(&listening.counts.refused);
            if let Some(left_out) = listening.endpoint.warnings.admit(Cause::Refused) {
                tracing::warn!(%error, left_out, "an accepted connection cannot be watched");
            }
            return;
        }
    };
    let endpoint = &listening.endpoint;
    let greet = async {
        if let Some(user) = foreign_user? {
            return Err(GreetingError::ForeignUser(user));
        }
        let hello = greeting::read(&mut reader).await?;
        let slot = endpoint.connections.clone().try_acquire_owned();
        let slot = slot.map_err(|_| GreetingError::Busy)?;
        // Before the answer: of two connections from one peer the later one has the larger number.
        let number = endpoint.next_connection();
        let accepted = Accepted {
            incarnation: endpoint.incarnation,
        };
        writer
            .write_all(&Answer::Accepted(accepted).encode())
            .await?;
        writer.flush().await?;
        Ok((hello, number, slot))
    };
    let greeted = select! {
        biased;
        () = listening.stop.cancelled() => return,
        greeted = timeout(endpoint.limits.handshake_timeout, greet) => {
            greeted.unwrap_or(Err(GreetingError::Timeout))
        }
    };
    let (_hello, number, _slot) = match greeted {
        Ok(greeted) => greeted,
        Err(error) => {
            tracing::debug!(%error, "a connection was refused");
            count(&listening.counts.refused);
            if let Some(code) = error.refusal() {
                refuse(&mut reader, &mut writer, code).await;
            }
            return;
        }
    };
    drop(permit);
    count(&listening.counts.accepted);
    let outlet = Outlet::new(number, writer, endpoint.glances.join());
    serve(&listening, outlet, reader, identity).await;
    count(&listening.counts.ended);
}

/// Goes through the handshake of the transport, if it has one.
async fn establish(listening: &Listening, incoming: Incoming) -> Option<Stream> {
    let endpoint = &listening.endpoint;
    let establish = incoming.establish(&endpoint.dialer.tls);
    let established = select! {
        biased;
        () = listening.stop.cancelled() => return None,
        established = timeout(endpoint.limits.handshake_timeout, establish) => established,
    };
    match established {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(refused)) => {
            count(&listening.counts.refused);
            if let Some(left_out) = endpoint.warnings.admit(Cause::Refused) {
                tracing::warn!(error = %refused.error, left_out, "a connection was refused");
            }
            refused.linger().await;
            None
        }
        Err(_) => {
            count(&listening.counts.refused);
            tracing::debug!("a peer did not come through the handshake of its transport in time");
            None
        }
    }
}

/// Tells the peer why it is refused, and gives it time to read that.
async fn refuse(reader: &mut Reader, writer: &mut Writer, code: RefusalCode) {
    let answer = Answer::Refused(code).encode();
    let talk = async {
        writer.write_all(&answer).await?;
        // A socket that is closed with unread input may take back what was written last.
        writer.shutdown().await?;
        let mut buffer = [0; DRAIN];
        while reader.read(&mut buffer).await? != 0 {}
        Ok::<_, io::Error>(())
    };
    // A peer that does not listen is told nothing, and has its second.
    let _ = timeout(LAST_WORDS, talk).await;
}

/// Carries the sessions that the peer opens, until the connection ends or nothing is served any more.
async fn serve(
    listening: &Arc<Listening>,
    outlet: Arc<Outlet>,
    reader: Reader,
    identity: Option<PeerIdentity>,
) {
    let endpoint = &listening.endpoint;
    let number = outlet.connection;
    let heart = Heart::new(&outlet, endpoint);
    let writing = {
        let outlet = outlet.clone();
        endpoint.spawn_connection(async move { outlet.run().await })
    };
    let sessions = Opened {
        listening,
        outlet: &outlet,
        heart: &heart,
        identity,
        by_number: Mutex::default(),
    };
    let mut inlet = Inlet::new(reader, &outlet, &sessions, heart.clone(), &endpoint.limits);
    let end = {
        let reading = pin!(inlet.run());
        select! {
            biased;
            end = reading => Some(end),
            () = sessions.stopped() => None,
        }
    };
    match &end {
        // Nobody is cut off in the middle by his own will.
        Some(End::Protocol(error)) if *error != FrameError::Cut.into() => {
            count(&listening.counts.broken);
            if let Some(left_out) = endpoint.warnings.admit(Cause::Broken) {
                tracing::warn!(number, %error, left_out, "a peer broke the protocol");
            }
        }
        Some(end) if sessions.has_some() => listening.on_loss(end),
        Some(end) => tracing::debug!(number, %end, "a connection ended"),
        None => {
            // What the sessions said last is written, and the peer ends the stream after that.
            outlet.end();
            let _ = timeout(LAST_WORDS, inlet.drain()).await;
        }
    }
    outlet.kill();
    // It was told to end, and ends without waiting for anything.
    let _ = writing.await;
    for (_, session) in sessions.all() {
        session.on_lost(number);
    }
}

/// The sessions of an accepted connection.
struct Opened<'a> {
    listening: &'a Arc<Listening>,
    outlet: &'a Arc<Outlet>,
    heart: &'a Arc<Heart>,
    identity: Option<PeerIdentity>,
    by_number: Mutex<BTreeMap<u32, Taken>>,
}

/// A session of an accepted connection.
#[derive(Clone)]
enum Taken {
    /// It is served here.
    Served(Arc<Served>),
    /// It is carried on.
    Relayed(Arc<Leg>),
    /// It is the way back of a duplex link, which tells when it is over.
    Back(Arc<dyn Kept>, CancellationToken),
}

impl Taken {
    fn carried(&self) -> Arc<dyn Carried> {
        match self {
            Self::Served(session) => session.clone(),
            Self::Relayed(leg) => leg.clone(),
            Self::Back(session, _) => session.clone(),
        }
    }

    /// Waits until the peer was told that nothing is served any more.
    async fn told(self) {
        match self {
            Self::Served(session) => session.serving().sessions.wait().await,
            Self::Relayed(_) => {}
            Self::Back(_, over) => over.cancelled().await,
        }
    }
}

impl Opened<'_> {
    /// Waits until nothing is served any more, and every session knows.
    async fn stopped(&self) {
        self.listening.stop.cancelled().await;
        let sessions: Vec<_> = self.lock().values().cloned().collect();
        let told = async {
            for session in sessions {
                session.told().await;
            }
        };
        // A peer that does not read is told nothing.
        let _ = timeout(LAST_WORDS, told).await;
    }

    /// Serves a session here.
    fn serve(&self, open: &Open, number: u32) -> Result<(), RefusalCode> {
        let serving = self.listening.receiver(open.kind)?;
        serving.what.check(open.kind, open.layout)?;
        let endpoint = &self.listening.endpoint;
        // Who a session that roams is from, its connection does not prove.
        let identity = self.identity.filter(|_| !open.roams);
        let target = match &serving.taker {
            Taker::Sessions(target) => target.clone(),
            Taker::Links(links) => {
                let link =
                    links
                        .clone()
                        .open(&serving, &self.listening.bound, open, number, identity)?;
                return self.serve_link(&link, open, number);
            }
        };
        let registry = &endpoint.registry;
        let session = registry.carry(open, identity, serving, target, number, self.outlet)?;
        self.take(number, Taken::Served(session.clone()));
        session.answer();
        Ok(())
    }

    /// Serves one direction of a duplex link, and opens the other one.
    fn serve_link(&self, link: &Halves, open: &Open, number: u32) -> Result<(), RefusalCode> {
        // Of two connections the one with the later opening gets both sessions.
        let _opening = link.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let session = link.forth.carry(open, self.identity, number, self.outlet)?;
        self.take(number, Taken::Served(session));
        let (back, over) = (link.back.clone(), link.over.clone());
        self.take(number | WAY_BACK, Taken::Back(back.clone(), over));
        back.attach(self.outlet);
        Ok(())
    }

    /// Ends the relay of a session that is opened again, so that it does not count beside the new one.
    fn forget_relay(&self, number: u32) {
        let relay = {
            let mut sessions = self.lock();
            let is_relay = matches!(sessions.get(&number), Some(Taken::Relayed(_)));
            if is_relay {
                sessions.remove(&number)
            } else {
                None
            }
        };
        if let Some(relay) = relay {
            relay.carried().on_lost(self.outlet.connection);
        }
    }

    /// Takes a session in place of another one with its number.
    fn take(&self, number: u32, session: Taken) {
        let before = self.lock().insert(number, session.clone());
        if let Some(before) = before.map(|before| before.carried())
            && !Arc::ptr_eq(&before, &session.carried())
        {
            before.on_lost(self.outlet.connection);
        }
    }

    /// Returns whether the connection carries a session.
    fn has_some(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Returns whether a session may have this number: one session can be opened under many.
    fn has_place(&self, number: u32, limits: &Limits) -> bool {
        let sessions = self.lock();
        sessions.len() < limits.sessions || sessions.contains_key(&number)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Taken>> {
        self.by_number
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions for Opened<'_> {
    fn find(&self, number: u32) -> Option<Arc<dyn Carried>> {
        let session = self.lock().get(&number).cloned();
        session.map(|session| session.carried())
    }

    fn open(&self, header: Header, body: &Bytes) -> Result<(), ProtocolError> {
        let open = Open::decode(body)?;
        let number = header.session;
        if number == 0 || number & WAY_BACK != 0 {
            return Err(header.bad_body().into());
        }
        let limits = &self.listening.endpoint.limits;
        let opened = if !self.has_place(number, limits) {
            Err(RefusalCode::Busy)
        } else if open.path.is_empty() {
            self.serve(&open, number)
        } else {
            self.forget_relay(number);
            let endpoint = &self.listening.endpoint;
            let leg = relay::begin(endpoint, open, number, self.outlet);
            leg.map(|leg| self.take(number, Taken::Relayed(leg)))
        };
        match opened {
            Ok(()) => Ok(()),
            Err(code) => self.heart.refuse(number, code),
        }
    }

    fn leave(&self, number: u32) {
        let mut sessions = self.lock();
        // A way back that was refused for now is opened again.
        let stays = match sessions.get(&number) {
            Some(Taken::Back(back, over)) => !back.is_over() && !over.is_cancelled(),
            _ => false,
        };
        let removed = if stays {
            None
        } else {
            sessions.remove(&number)
        };
        drop(sessions);
        drop(removed);
    }

    fn all(&self) -> Vec<(u32, Arc<dyn Carried>)> {
        let sessions = self.lock();
        let all = sessions.iter();
        all.map(|(number, session)| (*number, session.carried()))
            .collect()
    }
}
