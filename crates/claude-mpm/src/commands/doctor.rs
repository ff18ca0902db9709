//! `claude-mpm doctor`: what keeps events from being seen, and how to mend it.

mod checks;

use serde_json::{Value, json};

use crate::cli::DoctorArgs;
use crate::paths::Home;
use crate::report::{self, Failure};
pub(crate) use checks::{Check, State, all};

/// Runs it. Exits with 1 if something is broken.
pub(crate) fn run(options: &DoctorArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let mut checks = all(&home);
    let mut mended = Vec::new();
    if options.fix {
        for check in &checks {
            if let Some(mend) = &check.mend {
                mended.push((check.name, mend(&home).map_err(|error| error.to_string())));
            }
        }
        // What was mended has to prove it.
        checks = all(&home);
    }
    let broken = checks.iter().filter(|check| check.state == State::Broken).count();
    let warned = checks.iter().filter(|check| check.state == State::Warning).count();
    if options.json {
        let mended: Vec<Value> =
            mended.iter().map(|(name, done)| json!({ "check": name, "error": done.as_ref().err() })).collect();
        let checks: Vec<Value> = checks.iter().map(Check::in_json).collect();
        report::line(json!({ "ok": broken == 0, "checks": checks, "mended": mended }));
    } else {
        for (name, done) in &mended {
            match done {
                Ok(()) => report::line(format_args!("✓ Mended: {name}")),
                Err(error) => report::line(format_args!("✗ Could not mend {name}: {error}")),
            }
        }
        for check in &checks {
            report::line(check.in_words());
        }
        let summary = match (broken, warned) {
            (0, 0) => "Everything is well.".to_owned(),
            (0, warned) => format!("Nothing is broken; {} to look at.", report::count(warned as u64, "thing")),
            (broken, _) => format!("{} broken.", report::count(broken as u64, "thing")),
        };
        report::line(format_args!("\n{summary}"));
    }
    if broken == 0 { Ok(()) } else { Err(Failure::silent(1)) }
}
