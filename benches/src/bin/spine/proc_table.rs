//! The processes that descend from this one, as the kernel lists them.

use std::collections::BTreeMap;
use std::{fs, io, process};

/// Returns the ids of all children of this process, of their children and so on; dead ones that
/// nobody has waited for are among them.
pub(crate) fn descendants() -> io::Result<Vec<u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // A process may end between the listing and the reading.
        if let Some(parent) = parent_of(pid) {
            parents.insert(pid, parent);
        }
    }
    let own = process::id();
    let descends = |pid: &u32| {
        let up = std::iter::successors(Some(*pid), |pid| parents.get(pid).copied());
        up.skip(1).any(|ancestor| ancestor == own)
    };
    Ok(parents.keys().copied().filter(descends).collect())
}

/// Tells whether there is a process `pid`, alive or not waited for.
pub(crate) fn exists(pid: u32) -> bool {
    parent_of(pid).is_some()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses and may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
