//! A proxy of tcp connections, encrypted or not, that cuts them, so that the ends lose what is on its way.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hypermesh_channel::{ChannelAddr, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::{Notify, watch},
    task::JoinSet,
};

/// The bytes that the serving end says until a session is open: its answer, and the answer to the open.
const GREETING: usize = 12 + 9 + 16 + 43;

/// What a proxy does with one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// After so many bytes of the dialling end the connection is cut.
    pub(crate) cut_after: usize,
    /// Whether nothing of the serving end comes through but its greeting.
    pub(crate) is_mute: bool,
}

impl Fate {
    pub(crate) const WHOLE: Self = Self {
        cut_after: usize::MAX,
        is_mute: false,
    };
}

/// The proxy; its connections end with it.
pub(crate) struct Proxy {
    pub(crate) addr: ChannelAddr,
    target: watch::Sender<SocketAddr>,
    accepted: Arc<AtomicUsize>,
    cut: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Leads to `server`; `fate` is asked for each connection.
    pub(crate) async fn new(
        server: &Server,
        mut fate: impl FnMut() -> Fate + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, targets) = watch::channel(socket_addr(server));
        let (accepted, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let mut tasks = JoinSet::new();
        let (count, cuts) = (accepted.clone(), cut.clone());
        tasks.spawn(async move {
            // One at a time, as the dialling end has one at a time.
            loop {
                let (client, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let target = *targets.borrow();
                let Ok(server) = TcpStream::connect(target).await else {
                    continue;
                };
                let cut = cuts.notified();
                select! {
                    () = carry(client, server, fate()) => {}
                    () = cut => {}
                }
            }
        });
        Self {
            addr: format!("{}:127.0.0.1:{port}", server.addr().transport())
                .parse()
                .unwrap(),
            target,
            accepted,
            cut,
            _tasks: tasks,
        }
    }

    /// Cuts the present connection, and leads the next ones to `server`.
    pub(crate) fn move_to(&self, server: &Server) {
        self.target.send_replace(socket_addr(server));
        self.cut.notify_waiters();
    }

    /// Returns how many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Carries bytes in both directions until the connection is to be cut, or an end ends it.
async fn carry(client: TcpStream, server: TcpStream, fate: Fate) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forth = async {
        let mut left = fate.cut_after;
        let mut buffer = [0; 1000];
        while left > 0 {
            let most = left.min(buffer.len());
            let n = from_client.read(&mut buffer[..most]).await?;
            if n == 0 {
                break;
            }
            to_server.write_all(&buffer[..n]).await?;
            left -= n;
        }
        Ok::<(), std::io::Error>(())
    };
    let back = async {
        let mut left = if fate.is_mute { GREETING } else { usize::MAX };
        let mut buffer = [0; 1000];
        loop {
            let n = from_server.read(&mut buffer).await?;
            if n == 0 {
                return Ok::<(), std::io::Error>(());
            }
            let heard = n.min(left);
            to_client.write_all(&buffer[..heard]).await?;
            left -= heard;
        }
    };
    select! {
        _ = forth => {}
        _ = back => {}
    }
}

fn socket_addr(server: &Server) -> SocketAddr {
    let (ChannelAddr::Tcp { host, port } | ChannelAddr::Tls { host, port }) = server.addr() else {
        panic!("{}", server.addr())
    };
    SocketAddr::new(host.ip().unwrap(), *port)
}
