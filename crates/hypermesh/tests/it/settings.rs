//! The settings of all crates together: few enough to be read.

// Linked for its settings and those of all below it.
use hypermesh as _;

/// How many settings a program has to know of at most.
const LIMIT: usize = 40;

#[test]
fn there_are_at_most_forty_settings() {
    let settings = hypermesh_config::list();
    let names: Vec<&str> = settings.iter().map(|info| info.env).collect();
    // One of each crate, so that none is missing for want of a link to it.
    for known in [
        "HYPERMESH_MESSAGE_LIMIT",
        "HYPERMESH_QUEUE_LIMIT",
        "HYPERMESH_CALL_TIMEOUT",
        "HYPERMESH_PROC_START_TIMEOUT",
        "HYPERMESH_CAST_FAN_OUT",
        "HYPERMESH_HOST_START_TIMEOUT",
    ] {
        assert!(names.contains(&known), "{known} is none of {names:?}");
    }
    assert!(names.len() <= LIMIT, "{}: {names:?}", names.len());
}
