//! A tcp proxy between two ends, on a thread and a runtime of its own, which cuts connections when told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use hypermesh_benches::Outcome;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// What a proxy is told.
#[derive(Debug)]
enum Order {
    /// Cut every connection, and say so.
    Cut(oneshot::Sender<()>),
    /// Close each new connection at once, or carry it again.
    Refuse(bool),
}

/// A running proxy. It ends when this goes.
#[derive(Debug)]
pub(crate) struct Proxy {
    addr: SocketAddr,
    /// `None` tells the thread to end.
    orders: Option<mpsc::Sender<Order>>,
    n_accepted: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy on this machine before what listens at `target`.
    pub(crate) fn start(target: SocketAddr) -> Outcome<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (orders, told) = mpsc::channel(1);
        let n_accepted = Arc::new(AtomicUsize::new(0));
        let counter = n_accepted.clone();
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(carry(listener, target, told, &counter)) {
                    eprintln!("the proxy failed: {error}");
                }
            })?;
        Ok(Self {
            addr,
            orders: Some(orders),
            n_accepted,
            thread: Some(thread),
        })
    }

    /// Returns where to dial.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns how many connections were accepted, refused ones included.
    pub(crate) fn n_accepted(&self) -> usize {
        self.n_accepted.load(Ordering::Relaxed)
    }

    /// Cuts every connection; returns when they are cut.
    pub(crate) async fn cut(&self) -> Outcome<()> {
        let (done, cut) = oneshot::channel();
        self.tell(Order::Cut(done)).await?;
        Ok(cut.await?)
    }

    /// Has new connections closed at once, or carried again.
    pub(crate) async fn refuse(&self, refuses: bool) -> Outcome<()> {
        self.tell(Order::Refuse(refuses)).await
    }

    async fn tell(&self, order: Order) -> Outcome<()> {
        let orders = self.orders.as_ref().ok_or("the proxy has ended")?;
        Ok(orders.send(order).await?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has printed so.
            let _ = thread.join();
        }
    }
}

async fn carry(
    listener: std::net::TcpListener,
    target: SocketAddr,
    mut told: mpsc::Receiver<Order>,
    n_accepted: &AtomicUsize,
) -> Outcome<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    let mut refuses = false;
    loop {
        select! {
            accepted = listener.accept() => {
                let (near, _) = accepted?;
                n_accepted.fetch_add(1, Ordering::Relaxed);
                if !refuses {
                    connections.spawn(join(near, target));
                }
            }
            order = told.recv() => match order {
                Some(Order::Cut(done)) => {
                    connections.shutdown().await;
                    // Whoever asked may have given up.
                    let _ = done.send(());
                }
                Some(Order::Refuse(again)) => refuses = again,
                None => return Ok(()),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until either end closes it; what breaks one is seen by its ends.
async fn join(mut near: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    let mut far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
