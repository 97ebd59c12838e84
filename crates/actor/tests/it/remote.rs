//! Actors that reach each other over links, and actors that are spawned from afar.

use std::time::Duration;

use hypermesh_actor::mailbox::channel::ChannelTransport;
use hypermesh_actor::mailbox::{Cause, Port, PortId};
use hypermesh_actor::{
    ActorRef, ActorStatus, CallError, CastOrigin, CastPlace, Cx, Env, EnvVars, Error, Exit,
    FailureCause, Message, ProcAgent, RemoteSpawn, RemoteSpawnError, Result, SpawnFault, Status,
    actor,
};

use crate::fixture::{gateway, proc_on, two_procs, within};

#[derive(Message)]
struct Add(u64);
#[derive(Message)]
struct Get;
#[derive(Message)]
struct WhoAsks;
#[derive(Message)]
struct Relay(ActorRef<Counter>);
#[derive(Message)]
struct Unhandled;

/// Counts; starts at what its parameters say.
pub(crate) struct Counter {
    total: u64,
    label: String,
}

#[actor(spawn = "test::counter")]
impl Counter {
    #[handler]
    fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) {
        self.total += n;
    }

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<(u64, String)> {
        Ok((self.total, self.label.clone()))
    }

    #[handler]
    fn who_asks(&mut self, cx: &Cx<'_, Self>, _: WhoAsks) -> Result<String> {
        Ok(cx
            .sender()
            .map(|sender| sender.to_string())
            .unwrap_or_default())
    }

    #[handler]
    async fn relay(&mut self, cx: &Cx<'_, Self>, Relay(other): Relay) -> Result<u64> {
        Ok(other.ask(cx, Get).await?.0)
    }
}

impl RemoteSpawn for Counter {
    type Params = Start;

    async fn create(start: Start, env: &Env) -> Result<Self> {
        let label = env.label().to_owned();
        match start {
            Start::At(total) => Ok(Self { total, label }),
            Start::Later(total) => {
                tokio::task::yield_now().await;
                Ok(Self { total, label })
            }
            Start::Fail => Err(Error::msg("cannot count")),
            Start::Panic => panic!("cannot even fail"),
            Start::Never => std::future::pending().await,
        }
    }
}

#[derive(Message, Clone)]
pub(crate) enum Start {
    At(u64),
    Later(u64),
    Fail,
    Panic,
    Never,
}

#[tokio::test]
async fn a_ref_from_another_proc_works_at_once() {
    let (home, away) = two_procs();
    let counter = home.spawn(Counter {
        total: 1,
        label: String::new(),
    });
    let other = away.spawn(Counter {
        total: 41,
        label: String::new(),
    });
    let client = away.client("client");
    counter.bind().tell(&client, Add(1)).unwrap();
    assert_eq!(within(counter.bind().ask(&client, Get)).await.unwrap().0, 2);
    // The ref travels in a message, and its new holder has never heard of the other gateway.
    let relayed = within(counter.bind().ask(&client, Relay(other.bind()))).await;
    assert_eq!(relayed, Ok(41));
    let who = within(counter.bind().ask(&client, WhoAsks)).await.unwrap();
    assert_eq!(who, client.id().to_string());
}

#[tokio::test]
async fn messages_over_a_link_keep_their_order() {
    #[derive(Message)]
    struct Item(u32);
    #[derive(Default)]
    struct List(Vec<u32>);
    #[actor]
    impl List {
        #[handler]
        fn item(&mut self, _cx: &Cx<'_, Self>, Item(n): Item) {
            self.0.push(n);
        }
        #[handler]
        fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<Vec<u32>> {
            Ok(std::mem::take(&mut self.0))
        }
    }
    let (home, away) = two_procs();
    let list = home.spawn(List::default()).bind();
    let client = away.client("client");
    (0..10_000).for_each(|n| list.tell(&client, Item(n)).unwrap());
    let seen = within(list.ask(&client, Get)).await.unwrap();
    assert_eq!(seen, (0..10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_without_a_handler_bounces_and_disturbs_nobody() {
    let (home, away) = two_procs();
    let counter = home.spawn(Counter {
        total: 1,
        label: String::new(),
    });
    let client = away.client("client");
    let mut returned = client.undelivered();
    let dst = PortId {
        actor: counter.id(),
        port: Port::Handler(<Unhandled as hypermesh_actor::Named>::KEY),
    };
    let port = hypermesh_actor::mailbox::PortRef::<Unhandled>::new(
        dst,
        counter.bind().location().clone(),
        None,
    );
    port.send(&client, Unhandled);
    let undelivered = within(returned.recv()).await.unwrap();
    assert_eq!(undelivered.cause, Cause::NoHandler);
    assert_eq!(undelivered.header.dst, dst);
    let text = undelivered.to_string();
    assert!(
        text.starts_with("message it::remote::Unhandled to "),
        "{text}"
    );
    assert!(
        text.ends_with("the actor has no handler for this type"),
        "{text}"
    );
    assert_eq!(within(counter.bind().ask(&client, Get)).await.unwrap().0, 1);
}

#[tokio::test]
async fn a_spawned_actor_takes_messages_before_it_exists() {
    let (home, away) = two_procs();
    let client = away.client("client");
    for (name, start) in [("now", Start::At(1)), ("later", Start::Later(1))] {
        let spawning = home
            .agent()
            .spawn::<Counter>(&client, name, &start)
            .unwrap();
        (0..100).for_each(|_| spawning.actor.tell(&client, Add(1)).unwrap());
        let answer = spawning.actor.ask(&client, Get);
        assert_eq!(within(answer).await, Ok((101, name.to_owned())));
        let ready = within(spawning.ready).await.unwrap();
        assert_eq!(ready.map(|spawned| spawned.actor), Ok(spawning.actor.id()));
    }
}

#[tokio::test]
async fn what_goes_wrong_at_the_other_end_is_told_apart() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let agent = home.agent();
    let spawn = |name: &str, start: Start| agent.spawn::<Counter>(&client, name, &start).unwrap();

    let failing = spawn("failing", Start::Fail);
    let queued = failing.actor.ask(&client, Get);
    let Ok(Err(SpawnFault::Create {
        type_name,
        proc,
        failure,
    })) = within(failing.ready).await
    else {
        panic!("create returned an error");
    };
    assert_eq!((type_name.as_str(), proc), ("test::counter", *home.id()));
    assert_eq!(
        (failure.cause, failure.message.as_str()),
        (FailureCause::Create, "cannot count")
    );
    let error = within(queued).await.unwrap_err();
    assert_eq!(
        error,
        CallError::Exited(Exit::Failed(failure)),
        "queued messages come back"
    );

    let Ok(Err(SpawnFault::Panicked {
        type_name,
        proc,
        failure,
    })) = within(spawn("panicking", Start::Panic).ready).await
    else {
        panic!("create panicked");
    };
    assert_eq!((type_name.as_str(), proc), ("test::counter", *home.id()));
    assert_eq!(failure.message, "cannot even fail");

    within(spawn("twice", Start::At(1)).ready)
        .await
        .unwrap()
        .unwrap();
    let again = within(spawn("twice", Start::At(1)).ready).await.unwrap();
    let Err(SpawnFault::NameInUse {
        name,
        actor,
        type_name,
    }) = again
    else {
        panic!("the name is in use");
    };
    assert_eq!(
        (name.as_str(), type_name.as_str()),
        ("twice", "test::counter")
    );
    assert_eq!(actor.proc, *home.id());

    let good = within(spawn("good", Start::At(1)).ready).await.unwrap();
    assert!(good.is_ok(), "the agent serves the next request");
}

#[tokio::test]
async fn bad_requests_are_answered_by_the_agent() {
    let (home, away) = two_procs();
    let client = away.client("client");
    let request = |type_name: &str, params| hypermesh_actor::SpawnActor {
        type_name: type_name.to_owned(),
        name: None,
        generation: None,
        params,
        env: EnvVars::default(),
    };
    let unknown = home
        .agent()
        .ask(&client, request("nobody", Default::default()));
    let fault = within(unknown).await.unwrap().unwrap_err();
    let expected = SpawnFault::UnknownType {
        type_name: "nobody".to_owned(),
        proc: *home.id(),
    };
    assert_eq!(fault, expected);
    let garbled = home
        .agent()
        .ask(&client, request("test::counter", Default::default()));
    let Err(SpawnFault::BadParams {
        type_name, proc, ..
    }) = within(garbled).await.unwrap()
    else {
        panic!("nothing is no parameter");
    };
    assert_eq!((type_name.as_str(), proc), ("test::counter", *home.id()));
}

#[tokio::test]
async fn a_type_without_a_spawn_name_is_refused_before_anything_is_sent() {
    struct Unregistered;
    #[actor]
    impl Unregistered {}
    impl RemoteSpawn for Unregistered {
        type Params = ();
        async fn create((): (), _env: &Env) -> Result<Self> {
            Ok(Self)
        }
    }
    let (home, away) = two_procs();
    let client = away.client("client");
    let error = home
        .agent()
        .spawn::<Unregistered>(&client, "x", &())
        .unwrap_err();
    assert!(
        matches!(error, RemoteSpawnError::NotRegistered { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_create_that_never_ends_is_given_up_and_frees_the_name() {
    let proc = crate::fixture::proc();
    let client = proc.client("client");
    let spawning = proc
        .agent()
        .spawn::<Counter>(&client, "slow", &Start::Never)
        .unwrap();
    let begin = tokio::time::Instant::now();
    let ready = spawning.ready.timeout(Duration::from_secs(60));
    let (fault, status) = tokio::join!(ready, async {
        // The agent answers meanwhile.
        tokio::time::timeout(Duration::from_secs(29), std::future::pending::<()>())
            .await
            .unwrap_err();
        let name = "slow".to_owned();
        proc.agent().ask(&client, ActorStatus { name }).await
    });
    assert_eq!(status.unwrap().unwrap().status, Status::Initializing);
    let expected = SpawnFault::Deadline {
        type_name: "test::counter".to_owned(),
        proc: *proc.id(),
        limit: Duration::from_secs(30),
    };
    assert_eq!(fault.unwrap(), Err(expected));
    assert_eq!(begin.elapsed(), Duration::from_secs(30));
    while proc.exit_of(spawning.actor.id()).is_none() {
        tokio::task::yield_now().await;
    }
    proc.spawn_named(
        "slow",
        Counter {
            total: 0,
            label: String::new(),
        },
    )
    .unwrap();
}

#[tokio::test]
async fn the_receiver_of_a_cast_learns_who_cast_and_its_own_point() {
    #[derive(Message)]
    struct Where;
    struct Member;
    #[actor]
    impl Member {
        #[handler]
        fn place(&mut self, cx: &Cx<'_, Self>, _: Where) -> Result<(String, usize)> {
            let point = cx.point().ok_or_else(|| Error::msg("it was not cast"))?;
            Ok((
                cx.sender().map(|s| s.to_string()).unwrap_or_default(),
                point.rank(),
            ))
        }
    }
    let (home, away) = two_procs();
    let member = home.spawn(Member);
    let client = away.client("client");
    let (handle, reply) = client
        .mailbox()
        .open_once_port::<Result<(String, usize), CallError>>();
    let reply_to = handle.bind();
    let extent = hypermesh_ndslice::Extent::new(vec![("x", 4)]).unwrap();
    let mut envelope = hypermesh_actor::mailbox::Envelope::new(
        PortId {
            actor: member.id(),
            port: Port::Handler(<Where as hypermesh_actor::Named>::KEY),
        },
        member.bind().location().clone(),
        client.id(),
        Where,
    );
    let header = hypermesh_actor::ReplyHeader {
        port: reply_to.id(),
        location: reply_to.location().clone(),
        key: <Result<(String, usize), CallError> as hypermesh_actor::Named>::KEY,
        ordinal: None,
    };
    envelope.headers.set_as(&header).unwrap();
    let place = CastPlace {
        rank: Some(3),
        reply: None,
    };
    let origin = CastOrigin::new(&extent.into(), None).unwrap();
    origin.stamp(place, &mut envelope.headers).unwrap();
    away.gateway().post(envelope);
    let (sender, rank) = within(reply).await.unwrap().unwrap();
    assert_eq!((sender, rank), (client.id().to_string(), 3));
}

/// Asks for what an actor inherited, and for what its child on another proc did.
#[derive(Message)]
struct Inherited {
    next: Vec<ActorRef<ProcAgent>>,
}

/// Knows what it inherited, when it was made and later.
struct Heir {
    at_birth: Option<String>,
}

#[actor(spawn = "test::heir")]
impl Heir {
    #[handler]
    async fn inherited(
        &mut self,
        cx: &Cx<'_, Self>,
        Inherited { mut next }: Inherited,
    ) -> Result<Vec<Option<String>>> {
        let run = |vars: EnvVars| vars.get("run").map(str::to_owned);
        let mut seen = vec![self.at_birth.clone(), run(cx.env())];
        if let Some(agent) = next.pop() {
            // A child here, and one there, which has another one.
            let child = cx.spawn(Self { at_birth: None });
            let below = child.ask(Inherited { next: Vec::new() }).await?;
            seen.extend(below.into_iter().skip(1));
            let there = agent.spawn::<Self>(cx, "heir", &())?;
            seen.extend(there.actor.ask(cx, Inherited { next }).await?);
        }
        Ok(seen)
    }
}

impl RemoteSpawn for Heir {
    type Params = ();

    async fn create((): (), env: &Env) -> Result<Self> {
        let at_birth = env.vars().get("run").map(str::to_owned);
        Ok(Self { at_birth })
    }
}

#[tokio::test]
async fn what_an_actor_inherits_reaches_all_below_it_over_two_hops() {
    let procs: Vec<_> = (0..3)
        .map(|rank| proc_on(&gateway(ChannelTransport::Unix), rank))
        .collect();
    let client = procs[0].client("client");
    let env = EnvVars::new([("run", "7")]).unwrap();
    let agent = procs[0].agent();
    let root = agent.spawn_with_env::<Heir>(&client, "root", &(), env);
    let root = root.unwrap().actor;
    let next = vec![procs[2].agent(), procs[1].agent()];
    let seen = within(root.ask(&client, Inherited { next })).await.unwrap();
    assert_eq!(seen.len(), 2 + 1 + 2 + 1 + 2);
    assert!(
        seen.iter().all(|run| run.as_deref() == Some("7")),
        "{seen:?}"
    );

    // Whoever was given nothing passes nothing on.
    let poor = agent.spawn::<Heir>(&client, "poor", &()).unwrap().actor;
    let seen = within(poor.ask(&client, Inherited { next: Vec::new() })).await;
    assert_eq!(seen, Ok(vec![None, None]));
}
