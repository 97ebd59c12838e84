//! Who is called by a look, and who is not.

use std::{
    io::{Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    sync::atomic::AtomicUsize,
    task::Wake,
};

use super::*;

/// A task that counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection with a reader.
struct Connection {
    glance: Arc<Glance>,
    near: UnixStream,
    far: UnixStream,
    woken: Arc<Woken>,
}

impl Connection {
    fn new(glances: &Glances) -> Self {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let (glance, woken) = (glances.join(), Arc::<Woken>::default());
        glance.begin(Some(near.as_raw_fd()));
        glance.is_of(&Waker::from(woken.clone()));
        Self {
            glance,
            near,
            far,
            woken,
        }
    }

    fn n_woken(&self) -> usize {
        self.woken.0.load(Ordering::Relaxed)
    }
}

#[test]
fn inv1_a_reader_is_called_once_for_each_look_that_finds_something_and_reads_it_all() {
    let mut connection = Connection::new(&Glances::default());
    assert!(!connection.glance.look_around());
    assert!(!connection.glance.take());
    connection.far.write_all(&[7]).unwrap();
    assert!(connection.glance.look_around());
    assert!(connection.glance.take());
    assert!(!connection.glance.take());
    // What was looked at is still there.
    let mut read = [0; 2];
    assert_eq!(connection.near.read(&mut read).unwrap(), 1);
    let n_woken = connection.n_woken();
    assert!(!connection.glance.look_around());
    assert_eq!(connection.n_woken(), n_woken);
}

#[test]
fn the_end_of_a_stream_is_something_to_be_read() {
    let connection = Connection::new(&Glances::default());
    drop(connection.far);
    assert!(connection.glance.look_around());
}

#[test]
fn inv2_who_has_gone_is_not_looked_at() {
    let mut connection = Connection::new(&Glances::default());
    connection.far.write_all(&[7]).unwrap();
    connection.glance.end();
    // Nobody knows whether it has news.
    assert!(connection.glance.look_around());
    assert_eq!(connection.n_woken(), 0);
    assert!(!connection.glance.take());
}

#[test]
fn inv3_all_others_have_their_turn_and_those_that_went_are_forgotten() {
    let glances = Glances::default();
    let mut all: Vec<_> = (0..3 * OTHERS).map(|_| Connection::new(&glances)).collect();
    let writer = Connection::new(&glances);
    for connection in &mut all {
        connection.far.write_all(&[7]).unwrap();
    }
    assert!(writer.glance.look_around());
    let called = all.iter().filter(|connection| connection.glance.take());
    assert_eq!(called.count(), OTHERS);
    for _ in 0..3 {
        writer.glance.look_around();
    }
    assert!(all.iter().all(|connection| 0 < connection.n_woken()));
    all.clear();
    assert!(!writer.glance.look_around());
    assert_eq!(glances.lock().all.len(), 1);
}
