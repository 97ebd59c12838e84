//! Waiting for a state of the kernel's tables, which announce nothing.

use std::time::{Duration, Instant};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `holds` returns `true` or `within` is over, and returns what the last look said.
///
/// It looks at least once, so a `within` of zero asks for the state of this moment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let mut looks = 0;
/// let held = hypermesh_testkit::wait_until(Duration::from_secs(5), || {
///     looks += 1;
///     looks == 3
/// });
/// assert!(held);
/// ```
pub fn wait_until(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if within <= start.elapsed() {
            return false;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "polls the kernel's process and descriptor tables, which have no event"
        )]
        std::thread::sleep(PAUSE);
    }
}
