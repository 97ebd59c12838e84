use hypermesh_actor::Message;

struct Plain;

#[derive(Message)]
struct WithPlain {
    number: u64,
    plain: Plain,
}

#[derive(Message)]
struct Borrowed<'a> {
    text: &'a str,
}

#[derive(Message)]
struct Attributes {
    #[serde(flatten)]
    rest: Vec<u8>,
}

#[derive(Message)]
#[message(named = "add")]
struct Option;

#[derive(Message)]
#[serde(untagged)]
enum Untagged {
    A,
}

fn main() {}
