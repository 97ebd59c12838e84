use hypermesh_actor::{Proc, actor};

struct Counter;

#[actor(spawn = "counter")]
impl Counter {}

struct Plain;

fn spawn(proc: &Proc) {
    proc.spawn(Plain);
}

fn main() {}
