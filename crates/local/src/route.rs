//! `tryon route`: the routing decision, explained.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
};

use anyhow::{Context, Result};
use tryon_core::{
    ids::UserId,
    routing::{Assignment, Percent, Route, RouteReason, Split, assign},
};

use crate::cli;

/// Runs the command, writing to `out`.
pub fn run(args: &cli::Route, out: &mut impl Write) -> Result<()> {
    let split =
        Split { enabled: true, percent: args.percent, ceiling: Percent::FULL, salt: &args.salt };
    match (&args.user, &args.file) {
        (Some(user), _) => {
            let assignment = assign(&UserId::new(user.as_str()), &split)
                .context("give a user that is not empty")?;
            one(out, user, assignment, &args.salt)
        }
        (None, Some(file)) => {
            many(out, file, &split).with_context(|| format!("--file {}", file.display()))
        }
        (None, None) => anyhow::bail!("give a user, or --file with one user a line"),
    }
}

fn one(out: &mut impl Write, user: &str, assignment: Assignment, salt: &str) -> Result<()> {
    let points = assignment.percent.basis_points();
    writeln!(out, "bucket: {}", assignment.bucket.get())?;
    writeln!(out, "route: {}", assignment.route)?;
    writeln!(out, "why: {}", why(assignment, points))?;
    writeln!(out, "key: murmur3_x86_32(\"{salt}:{user}\") * 10000 >> 32")?;
    Ok(())
}

fn why(assignment: Assignment, points: u16) -> String {
    let (bucket, percent) = (assignment.bucket.get(), assignment.percent);
    match assignment.reason {
        RouteReason::Inside => format!("{bucket} is below {points} ({percent} % of 10000)"),
        RouteReason::Outside => format!("{bucket} is not below {points} ({percent} % of 10000)"),
        RouteReason::Disabled => "the Gemini route is switched off".to_owned(),
    }
}

fn many(out: &mut impl Write, file: &Path, split: &Split<'_>) -> Result<()> {
    let (mut users, mut gemini) = (0_u64, 0_u64);
    for (number, line) in BufReader::new(File::open(file)?).lines().enumerate() {
        let line = line.with_context(|| format!("line {} is no UTF-8 text", number + 1))?;
        if line.is_empty() {
            continue;
        }
        let assignment = assign(&UserId::new(line), split)?;
        users += 1;
        gemini += u64::from(assignment.route == Route::Gemini);
    }
    anyhow::ensure!(users > 0, "the file names no user; put one on each line");
    let share = |part: u64| 100.0 * part as f64 / users as f64;
    writeln!(out, "users: {users}")?;
    writeln!(out, "gemini: {gemini} ({:.2} %)", share(gemini))?;
    writeln!(out, "legacy: {} ({:.2} %)", users - gemini, share(users - gemini))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(user: Option<&str>, file: Option<&Path>, percent: &str) -> Result<String> {
        let args = cli::Route {
            user: user.map(str::to_owned),
            file: file.map(Path::to_owned),
            percent: percent.parse().unwrap(),
            salt: "rollout".to_owned(),
        };
        let mut out = Vec::new();
        run(&args, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn explains_one_user() {
        let text = run_with(Some("user-1"), None, "52.08").unwrap();
        assert!(text.starts_with("bucket: 5208\nroute: legacy\nwhy: 5208 is not below 5208"));
        let text = run_with(Some("user-1"), None, "52.09").unwrap();
        assert!(text.contains("route: gemini"), "{text}");
    }

    #[test]
    fn refuses_an_empty_user_and_a_missing_file() {
        assert!(run_with(Some(""), None, "10").is_err());
        let error = run_with(None, Some(Path::new("no/such/file")), "10").unwrap_err();
        assert!(error.to_string().contains("--file no/such/file"), "{error}");
    }
}
