//! How often a session goes on after its peer broke the protocol.
//!
//! # Invariants
//!
//! - **INV-1**: a fault costs the connection, or the path through gateways, and the session goes on over the next one.
//! - **INV-2**: the session ends at the fault that comes after [`MAX_RESUMES`] faults without a message that was taken
//!   in between.

/// So often a session may be resumed after a fault without getting on.
const MAX_RESUMES: u32 = 3;

/// The faults of one session.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Since a message was taken.
    in_vain: u32,
}

impl Faults {
    /// Records that a message was taken.
    pub(super) fn on_progress(&mut self) {
        self.in_vain = 0;
    }

    /// Records a fault, and returns whether the session goes on.
    pub(super) fn on_fault(&mut self) -> bool {
        self.in_vain = self.in_vain.saturating_add(1);
        self.in_vain <= MAX_RESUMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script of faults (`f`) and messages that are taken (`m`), and which of the faults are the end.
    #[track_caller]
    fn check(script: &str, expected: &str) {
        let mut faults = Faults::default();
        let mut found = String::new();
        for step in script.chars() {
            if step == 'm' {
                faults.on_progress();
            } else {
                found.push(if faults.on_fault() { '.' } else { 'x' });
            }
        }
        assert_eq!(found, expected, "{script}");
    }

    #[test]
    fn inv1_a_session_that_gets_on_goes_on() {
        check(&"fm".repeat(50), &".".repeat(50));
        check(&"fffm".repeat(50), &"...".repeat(50));
    }

    #[test]
    fn inv2_the_fourth_fault_in_vain_is_the_end() {
        check("ffffff", "...xxx");
        check("mffmffff", ".....x");
    }
}
