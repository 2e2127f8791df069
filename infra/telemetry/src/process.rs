//! What the process uses and what the machine has left: for health checks, the doctor and reports.
//!
//! Figures come from `/proc` and `/sys`. Where there is none, they are `None`: unknown, never zero.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::time::{ClockId, clock_gettime};

/// What this process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Memory that is in RAM now.
    pub resident_bytes: Option<u64>,
    /// The most that was in RAM at any moment since the start.
    pub peak_resident_bytes: Option<u64>,
    pub open_files: Option<u64>,
    /// How many files may be open; `None` also when that is unlimited.
    pub max_open_files: Option<u64>,
    /// Processor time of all threads since the start.
    pub cpu_time: Option<Duration>,
}

/// Memory of the machine, or of the container when its limit is lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub total_bytes: u64,
    /// What can be had without swapping.
    pub available_bytes: u64,
}

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    pub total_bytes: u64,
    /// What an unprivileged process can still write.
    pub available_bytes: u64,
}

/// Measures this process.
pub fn usage() -> ProcessUsage {
    let status = fs::read_to_string("/proc/self/status").ok();
    let limits = fs::read_to_string("/proc/self/limits").ok();
    ProcessUsage {
        resident_bytes: status.as_deref().and_then(|status| kibibytes(status, "VmRSS:")),
        peak_resident_bytes: status.as_deref().and_then(|status| kibibytes(status, "VmHWM:")),
        open_files: open_files(),
        max_open_files: limits.as_deref().and_then(max_open_files),
        cpu_time: cpu_time(),
    }
}

/// Measures the memory of the machine or container; `None` where it cannot be known.
pub fn memory() -> Option<Memory> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .as_deref()
        .and_then(machine_memory)?;
    Some(match control_group() {
        Some(group) => narrower(machine, &group),
        None => machine,
    })
}

/// Measures the file system that `path` lies on.
pub fn disk(path: &Path) -> io::Result<Disk> {
    let found = statvfs(path)?;
    Ok(Disk {
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        available_bytes: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

fn open_files() -> Option<u64> {
    // The listing itself holds one file open.
    let entries = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(entries.saturating_sub(1))
}

fn max_open_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_time() -> Option<Duration> {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
}

fn machine_memory(meminfo: &str) -> Option<Memory> {
    Some(Memory {
        total_bytes: kibibytes(meminfo, "MemTotal:")?,
        available_bytes: kibibytes(meminfo, "MemAvailable:")?,
    })
}

/// Reads `name   123 kB` as bytes; the kernel means 1024 by `kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The limit of a container with control groups v2, where the group's own files are at the root of the mount.
#[derive(Clone, Copy, Debug)]
struct ControlGroup {
    limit_bytes: u64,
    /// Without what the kernel gives up when memory is wanted.
    used_bytes: u64,
}

/// Returns `None` outside a container, without a limit, and under control groups v1.
fn control_group() -> Option<ControlGroup> {
    let read = |name: &str| fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok();
    let stat = read("memory.stat")?;
    let inactive_file = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file "))?;
    let current: u64 = read("memory.current")?.trim().parse().ok()?;
    Some(ControlGroup {
        // Without a limit the file says `max`.
        limit_bytes: read("memory.max")?.trim().parse().ok()?,
        used_bytes: current.saturating_sub(inactive_file.trim().parse().ok()?),
    })
}

fn narrower(machine: Memory, group: &ControlGroup) -> Memory {
    Memory {
        total_bytes: machine.total_bytes.min(group.limit_bytes),
        available_bytes: machine
            .available_bytes
            .min(group.limit_bytes.saturating_sub(group.used_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str =
        "MemTotal:       24576000 kB\nMemFree:          100000 kB\nMemAvailable:   12288000 kB\n";

    #[test]
    fn this_process_uses_something_of_everything() {
        let held = vec![1u8; 32 << 20];

        let usage = usage();

        assert!(
            usage.resident_bytes.unwrap() > 32 << 20,
            "{usage:?} while {} bytes are held",
            held.len()
        );
        assert!(usage.peak_resident_bytes.unwrap() >= usage.resident_bytes.unwrap());
        assert!(usage.cpu_time.unwrap() > Duration::ZERO);
        assert!(
            usage
                .max_open_files
                .is_none_or(|max| max > usage.open_files.unwrap())
        );
    }

    #[test]
    fn an_opened_file_is_counted() {
        let before = usage().open_files.unwrap();

        let files: Vec<_> = (0..50)
            .map(|_| fs::File::open("/proc/self/status").unwrap())
            .collect();

        // Other tests of this process open and close a few files meanwhile.
        assert!(
            usage().open_files.unwrap() >= before + 40,
            "{} files are open",
            files.len()
        );
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let memory = machine_memory(MEMINFO).unwrap();

        assert_eq!(
            memory,
            Memory {
                total_bytes: 24_576_000 << 10,
                available_bytes: 12_288_000 << 10
            }
        );
        assert_eq!(machine_memory("MemTotal: many kB\n"), None);
    }

    #[test]
    fn the_limit_of_the_container_narrows_the_memory_of_the_machine() {
        let machine = machine_memory(MEMINFO).unwrap();
        let group = ControlGroup {
            limit_bytes: 1 << 30,
            used_bytes: 500 << 20,
        };

        let memory = narrower(machine, &group);

        assert_eq!(
            memory,
            Memory {
                total_bytes: 1 << 30,
                available_bytes: 524 << 20
            }
        );
    }

    #[test]
    fn the_disk_has_no_more_free_than_it_has() {
        let disk = disk(Path::new("/")).unwrap();

        assert!(disk.total_bytes > 0 && disk.available_bytes <= disk.total_bytes);
        assert!(super::disk(Path::new("/no/such/folder")).is_err());
    }
}
