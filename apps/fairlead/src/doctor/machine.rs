use std::path::Path;

use fairlead_telemetry::process;

use super::Check;
use crate::config::Config;

const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;

pub(super) fn check(config: &Config) -> Vec<Check> {
    vec![disk(&config.data_dir), memory(config), open_files(config)]
}

fn disk(data_dir: &Path) -> Check {
    let place = existing(data_dir);
    let disk = match process::disk(place) {
        Ok(disk) => disk,
        Err(error) => {
            let detail = format!(
                "the file system of {} cannot be measured: {error}",
                place.display()
            );
            return Check::warn("disk", detail, "set data_dir to a folder this process may read");
        }
    };
    let detail = format!(
        "{} MiB free where {} is",
        disk.available_bytes / MEBIBYTE,
        data_dir.display()
    );
    let fix = "free space, or set data_dir to a larger disk";
    match disk.available_bytes {
        free if free < 256 * MEBIBYTE => Check::fail("disk", detail, fix),
        free if free < 2 * GIBIBYTE => Check::warn("disk", detail, fix),
        _ => Check::ok("disk", detail),
    }
}

/// Returns the nearest folder above that is there: the data folder comes with the first start.
fn existing(folder: &Path) -> &Path {
    let above = folder.ancestors().find(|above| above.exists());
    above.unwrap_or(Path::new("."))
}

fn memory(config: &Config) -> Check {
    let Some(memory) = process::memory() else {
        return Check::warn(
            "memory",
            "cannot be measured on this system",
            "run on Linux to have it watched",
        );
    };
    let free = memory.available_bytes;
    let detail = format!(
        "{} of {} MiB available",
        free / MEBIBYTE,
        memory.total_bytes / MEBIBYTE
    );
    // Argon2 takes 19 MiB per password that is hashed at the moment; the process itself stays below 150 MiB.
    let at_once = crate::wiring::hash_concurrency(config) as u64;
    let needed = (150 + 19 * at_once) * MEBIBYTE;
    let fix = format!(
        "give it more memory: {} MiB are wanted at the most, of which {} for {at_once} passwords hashed at a time \
         (auth.hash_concurrency)",
        needed / MEBIBYTE,
        19 * at_once,
    );
    match free {
        free if free < 64 * MEBIBYTE => Check::fail("memory", detail, fix),
        free if free < needed => Check::warn("memory", detail, fix),
        _ => Check::ok("memory", detail),
    }
}

fn open_files(config: &Config) -> Check {
    let connections = u64::from(config.database.pool.max + config.database.system_pool.max);
    match process::usage().max_open_files {
        Some(max) if max < connections + 1024 => Check::warn(
            "open files",
            format!("this process may have {max} files and connections open"),
            "raise the limit: ulimit -n 65536, or LimitNOFILE=65536 of the systemd unit",
        ),
        Some(max) => Check::ok("open files", format!("at most {max}")),
        None => Check::ok("open files", "no limit"),
    }
}
