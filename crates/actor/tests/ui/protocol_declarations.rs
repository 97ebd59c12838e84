use hypermesh_actor::{Message, protocol};

#[derive(Message)]
struct Get;

protocol! {
    pub trait Store {
        Get -> u64,
    }
}

protocol! {
    protocol Empty {}
}

protocol! {
    protocol Twice {
        Get -> u64,
        Get,
    }
}

protocol! {
    protocol Generic<T> {
        Get -> T,
    }
}

struct Plain;

protocol! {
    protocol Replies {
        Get -> Plain,
    }
}

fn main() {}
