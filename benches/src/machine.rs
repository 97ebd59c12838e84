//! The machine that figures are of.

use std::fmt;
use std::fs;
use std::thread;

/// What a reader of figures wants to know about a machine. What the system does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Those that this process may use.
    n_cores: Option<usize>,
    processor: Option<String>,
    memory_kib: Option<u64>,
    kernel: Option<String>,
    /// How many tasks were running or about to, on average over the last minute.
    load: Option<String>,
}

impl Machine {
    /// Returns the machine that this process runs on.
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            n_cores: thread::available_parallelism().ok().map(usize::from),
            ..Self::of(
                &read("/proc/cpuinfo"),
                &read("/proc/meminfo"),
                &read("/proc/sys/kernel/osrelease"),
                &read("/proc/loadavg"),
            )
        }
    }

    fn of(cpuinfo: &str, meminfo: &str, osrelease: &str, loadavg: &str) -> Self {
        let memory = value(meminfo, "MemTotal").and_then(|text| text.strip_suffix(" kB"));
        Self {
            n_cores: None,
            processor: value(cpuinfo, "model name").map(str::to_owned),
            memory_kib: memory.and_then(|text| text.parse().ok()),
            kernel: osrelease.split_whitespace().next().map(str::to_owned),
            load: loadavg.split_whitespace().next().map(str::to_owned),
        }
    }
}

/// Returns what the first line `name: value` says.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(found, _)| found.trim() == name)
        .map(|(_, value)| value.trim())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "?".to_owned();
        let n_cores = self.n_cores.map_or_else(unknown, |n| n.to_string());
        let memory = self.memory_kib.map_or_else(unknown, |kib| {
            format!("{:.1}", kib as f64 / f64::from(1 << 20))
        });
        let text = |text: &Option<String>| text.clone().unwrap_or_else(unknown);
        let (processor, kernel, load) =
            (text(&self.processor), text(&self.kernel), text(&self.load));
        write!(
            f,
            "machine: {n_cores} cores ({processor}), {memory} GiB of memory, Linux {kernel}; load before: {load}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_shown_and_the_rest_is_a_question_mark() {
        let mut machine = Machine::of(
            "processor\t: 0\nmodel name\t: Quick 9000\n\nprocessor\t: 1\nmodel name\t: other\n",
            "MemTotal:       24684092 kB\nMemFree:        1 kB\n",
            "6.1.0-x\n",
            "0.25 1.00 2.00 1/80 1234\n",
        );
        machine.n_cores = Some(2);
        assert_eq!(
            machine.to_string(),
            "machine: 2 cores (Quick 9000), 23.5 GiB of memory, Linux 6.1.0-x; load before: 0.25"
        );
        assert_eq!(
            Machine::of("", "", "", "").to_string(),
            "machine: ? cores (?), ? GiB of memory, Linux ?; load before: ?"
        );
    }
}
