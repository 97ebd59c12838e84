use std::time::Duration;

use hypermesh_config::config;

#[derive(Clone)]
struct Plain;

config! {
    static WITHOUT_A_TEXT: Plain = Plain, env = "HYPERMESH_WITHOUT_A_TEXT";
}

config! {
    static OTHER_TYPE: Duration = 10, env = "HYPERMESH_OTHER_TYPE";
}

config! {
    static UNKNOWN_KEY: u64 = 10, env = "HYPERMESH_UNKNOWN_KEY", chek = |n| *n > 0;
}

fn main() {}
