//! What a process has used, as `/proc` tells it (proc(5)).

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The unit of times in `/proc/<pid>/stat`: Linux shows them in hundredths of a second on every machine.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory of a process, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now_kib: u64,
    /// The most since the process began, or since [`forget_peak`].
    pub(crate) peak_kib: u64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let text = read(pid, "status")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| {
            line.trim_start_matches(':')
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .with_context(|| format!("/proc/{pid}/status has no {name}"))
    };
    Ok(Memory {
        now_kib: field("VmRSS")?,
        peak_kib: field("VmHWM")?,
    })
}

/// Makes the peak start again at what the process has now.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
        .with_context(|| format!("cannot reset the peak of {pid}"))
}

/// Returns the processor time of a process, in user mode and in the kernel.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = Stat::of(pid)?;
    Ok(TICK * (stat.field(14)? + stat.field(15)?))
}

/// Returns the processor time of a process, of its children, and of those of its children that have ended.
pub(crate) fn cpu_with_children(pid: u32) -> Result<Duration> {
    let stat = Stat::of(pid)?;
    let mut ticks = 0;
    for own in 14..=17 {
        ticks += stat.field(own)?;
    }
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that ends while we look is counted with its parent the next time.
        if let Ok(stat) = Stat::of(child)
            && stat.field(4)? == pid
        {
            ticks += stat.field(14)? + stat.field(15)?;
        }
    }
    Ok(TICK * ticks)
}

pub(crate) fn parent(pid: u32) -> Result<u32> {
    Stat::of(pid)?.field(4)
}

/// The fields of `/proc/<pid>/stat` from the third on.
struct Stat(String);

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let line = read(pid, "stat")?;
        // The second is the program's name in brackets and may itself contain blanks and brackets.
        let rest = line.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
        rest.map(Self).context("/proc/<pid>/stat is not as proc(5) says")
    }

    /// Counted from 1, as in proc(5).
    fn field(&self, number: usize) -> Result<u32> {
        let field = self
            .0
            .split(' ')
            .nth(number - 3)
            .and_then(|text| text.parse().ok());
        field.with_context(|| format!("field {number} of /proc/<pid>/stat is no number"))
    }
}

fn read(pid: u32, name: &str) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{name}")).with_context(|| format!("process {pid} has ended"))
}

impl Memory {
    pub(crate) fn now_mib(self) -> f64 {
        mib(self.now_kib)
    }

    pub(crate) fn peak_mib(self) -> f64 {
        mib(self.peak_kib)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process has 2^52 KiB")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
