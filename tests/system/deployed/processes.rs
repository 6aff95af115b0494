//! The functions as the emulator runs them: processes of this machine.

use std::{collections::BTreeMap, fs, process::Command};

use super::stack::given;

/// A function that runs now.
struct Process {
    id: String,
    function: String,
    /// The most memory that it had so far, in bytes.
    peak: u64,
}

/// The most memory that functions had, in bytes, by name.
pub(super) type Peaks = BTreeMap<String, u64>;

/// Kills every function that the emulator runs now.
pub(super) fn kill_functions() {
    for process in running() {
        Command::new("kill").args(["-KILL", &process.id]).status().unwrap();
    }
}

/// Adds what the functions that run now had.
pub(super) fn look_at(peaks: &mut Peaks) {
    for Process { function, peak, .. } in running() {
        let most = peaks.entry(function).or_default();
        *most = peak.max(*most);
    }
}

fn running() -> Vec<Process> {
    let parent = format!("PPid:\t{}\n", given("TRYON_TEST_AWS_PID"));
    let processes = fs::read_dir("/proc").unwrap().flatten();
    // One may end while it is looked at.
    let process = |path: std::path::PathBuf| {
        let status = fs::read_to_string(path.join("status")).ok()?;
        let ours = status.starts_with("Name:\tbootstrap\n") && status.contains(&parent);
        let told = ours.then(|| fs::read(path.join("environ")).ok()).flatten()?;
        let told = String::from_utf8_lossy(&told);
        let name = told.split('\0').find_map(|pair| pair.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="));
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
        Some(Process {
            id: path.file_name()?.to_str()?.to_owned(),
            function: name?.trim_start_matches("tryon-").trim_end_matches("-local").to_owned(),
            peak: kilobytes * 1024,
        })
    };
    processes.filter_map(|entry| process(entry.path())).collect()
}
