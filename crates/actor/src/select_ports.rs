//! Waits for the next message of several ports.
//!
//! # Invariants
//!
//! - **INV-1**: a message leaves its port only as the value of a call to `next` that returns it.
//! - **INV-2**: after a message of one port every other one is asked before that port is asked again.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use hypermesh_mailbox::{OncePortReceiver, PortReceiver};

/// Several ports of any types, from which one task receives.
///
/// Each port is given with a function that makes its messages the one type that [`next`](Self::next)
/// returns. The ports are asked in turn: one that always has a message does not starve the others. Keep
/// the value over the rounds of a loop, for it knows whose turn it is.
///
/// # Examples
///
/// ```
/// use hypermesh_actor::{Instance, Select};
///
/// enum Event { Word(String), Number(u64) }
///
/// async fn two_ports(client: &Instance<()>) -> usize {
///     let (words, mut new_words) = client.mailbox().open_port::<String>();
///     let (numbers, mut new_numbers) = client.mailbox().open_port::<u64>();
///     words.send("seven".to_owned()).ok();
///     numbers.send(7).ok();
///     drop((words, numbers));
///     let mut select = Select::new()
///         .with(&mut new_words, Event::Word)
///         .with(&mut new_numbers, Event::Number);
///     let mut count = 0;
///     while let Some(event) = select.next().await {
///         count += match event {
///             Event::Word(word) => word.len(),
///             Event::Number(number) => number as usize,
///         };
///     }
///     count
/// }
/// ```
pub struct Select<'a, T> {
    /// The first is the next to be asked.
    ports: Vec<Box<dyn Source<T> + 'a>>,
}

impl<'a, T> Select<'a, T> {
    /// Returns a choice of no ports.
    pub fn new() -> Self {
        Self { ports: Vec::new() }
    }

    /// Adds `port`, whose messages become `T`s by `make`.
    #[must_use]
    pub fn with<M: Send + 'static>(
        mut self,
        port: &'a mut PortReceiver<M>,
        make: impl FnMut(M) -> T + Send + 'a,
    ) -> Self {
        self.ports.push(Box::new(Many { port, make }));
        self
    }

    /// Adds a port for one message, which becomes a `T` by `make`.
    #[must_use]
    pub fn with_once<M: Send + 'static>(
        mut self,
        port: &'a mut OncePortReceiver<M>,
        make: impl FnMut(M) -> T + Send + 'a,
    ) -> Self {
        self.ports.push(Box::new(One { port, make }));
        self
    }

    /// Waits for the next message of any port. Returns `None` when no port has or gets any more; one of
    /// which that is true is left out.
    ///
    /// There is no deadline: whoever needs one puts a timeout around it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no message is lost (INV-1).
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Polls for the next message, see [`next`](Self::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut idx = 0;
        while idx < self.ports.len() {
            match self.ports[idx].poll_source(cx) {
                Poll::Ready(Some(value)) => {
                    // INV-2
                    self.ports.rotate_left(idx + 1);
                    return Poll::Ready(Some(value));
                }
                Poll::Ready(None) => _ = self.ports.remove(idx),
                Poll::Pending => idx += 1,
            }
        }
        match self.ports.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

impl<T> Default for Select<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Select<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Select({} ports)", self.ports.len())
    }
}

/// A port with what makes its messages `T`s.
trait Source<T>: Send {
    /// Returns the next message, or `None` if there is and will be none.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>>;
}

struct Many<'a, M: Send + 'static, F> {
    port: &'a mut PortReceiver<M>,
    make: F,
}

impl<M: Send + 'static, T, F: FnMut(M) -> T + Send> Source<T> for Many<'_, M, F> {
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let received = self.port.poll_recv(cx);
        received.map(|message| message.ok().map(&mut self.make))
    }
}

struct One<'a, M: Send + 'static, F> {
    port: &'a mut OncePortReceiver<M>,
    make: F,
}

impl<M: Send + 'static, T, F: FnMut(M) -> T + Send> Source<T> for One<'_, M, F> {
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let received = Pin::new(&mut *self.port).poll(cx);
        received.map(|message| message.ok().map(&mut self.make))
    }
}
