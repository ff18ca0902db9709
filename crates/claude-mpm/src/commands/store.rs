//! `claude-mpm store`: what is stored, whether it is whole, copies of it, and its key. Most of it works beside a running
//! monitor; what does not says so.

mod sessions;
mod transfer;

use std::path::{Path, PathBuf};

use ::store::backup::{self, Copied};
use ::store::inspect;
use ::store::{Key, StoreError, key};
use serde_json::json;

use crate::cli::{self, KeyCommand, StoreArgs, StoreCommand};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// The store that a command is about.
struct Place {
    home: Home,
    settings: Settings,
    dir: PathBuf,
    /// The user's key, if there is one.
    key: Option<Key>,
}

/// Runs it.
pub(crate) fn run(options: &StoreArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let settings = Settings::load(&home)?;
    let port = cli::port(options.port, &settings);
    let dir = home.state(options.name.as_deref(), port);
    let key = if home.key().exists() {
        let read = key::load(&home.key());
        Some(read.map_err(|error| failed("The key cannot be read", &error))?)
    } else {
        None
    };
    let place = Place { home, settings, dir, key };
    match &options.command {
        StoreCommand::Info { json } => info(&place, *json),
        StoreCommand::Verify { json } => verify(&place, *json),
        StoreCommand::Backup { dir } => backup(&place, dir),
        StoreCommand::Restore { dir } => restore(&place, dir),
        StoreCommand::Export(options) => transfer::export(&place, options),
        StoreCommand::Import { file } => transfer::import(&place, file),
        StoreCommand::Pin { session } => sessions::pin(&place, session, true),
        StoreCommand::Unpin { session } => sessions::pin(&place, session, false),
        StoreCommand::Delete { session, yes } => sessions::delete(&place, session, *yes),
        StoreCommand::Key(KeyCommand::Export) => export_key(&place),
        StoreCommand::Key(KeyCommand::Rotate) => rotate(&place),
    }
}

fn info(place: &Place, json: bool) -> Result<(), Failure> {
    const FAILED: &str = "The store cannot be described";
    place.must_exist(FAILED)?;
    let days = inspect::days(&place.dir, place.key.as_ref()).map_err(|error| failed(FAILED, &error))?;
    let keep = &place.settings.monitoring.store;
    if json {
        let days: Vec<_> = days
            .iter()
            .map(|day| {
                json!({ "file": day.name, "encrypted": day.encrypted, "events": day.events, "first": day.numbers.map(|numbers| numbers.0),
                    "last": day.numbers.map(|numbers| numbers.1), "bytes": day.bytes, "index_bytes": day.index_bytes,
                    "problem": day.problem })
            })
            .collect();
        report::line(json!({ "store": place.dir, "keep_days": keep.keep_days.map(|days| days.0),
            "keep_gb": keep.keep_gb.map(|size| size.0), "days": days }));
        return Ok(());
    }
    report::line(format_args!("Store: {}", place.dir.display()));
    let encrypted = days.last().is_some_and(|day| day.encrypted);
    report::line(format_args!("Encrypted: {}", if encrypted { "yes" } else { "no" }));
    let limit = |said: Option<String>| said.unwrap_or_else(|| "no limit".to_owned());
    report::line(format_args!(
        "Kept: {} by age, {} by size",
        limit(keep.keep_days.map(|days| format!("{} days", days.0))),
        limit(keep.keep_gb.map(|size| format!("{} GB", size.0)))
    ));
    report::line("");
    report::line(format_args!("{:<24}{:>10}  {:<23}{:>12}{:>12}", "file", "events", "numbers", "bytes", "index"));
    for day in &days {
        let numbers = day.numbers.map_or_else(String::new, |(first, last)| format!("{first} to {last}"));
        let (events, numbers) = match day.problem {
            Some(_) => ("?".to_owned(), "cannot be read"),
            None => (day.events.to_string(), numbers.as_str()),
        };
        report::line(format_args!(
            "{:<24}{events:>10}  {numbers:<23}{:>12}{:>12}",
            day.name, day.bytes, day.index_bytes
        ));
    }
    let sum = |of: fn(&inspect::Day) -> u64| days.iter().map(of).sum::<u64>();
    let (events, bytes, index) = (sum(|day| day.events), sum(|day| day.bytes), sum(|day| day.index_bytes));
    report::line(format_args!("{:<24}{events:>10}  {:<23}{bytes:>12}{index:>12}", "all", ""));
    // The same reason, such as the key that is missing, is said once.
    let mut problems: Vec<(&str, Vec<&str>)> = Vec::new();
    for day in &days {
        let Some(problem) = day.problem.as_deref() else { continue };
        match problems.iter_mut().find(|(said, _)| *said == problem) {
            Some((_, named)) => named.push(&day.name),
            None => problems.push((problem, vec![&day.name])),
        }
    }
    for (problem, named) in problems {
        report::line(format_args!("✗ {}: {problem}", named.join(", ")));
    }
    Ok(())
}

fn verify(place: &Place, json: bool) -> Result<(), Failure> {
    const FAILED: &str = "The store is not whole";
    place.must_exist("The store cannot be checked")?;
    let faults = inspect::verify(&place.dir, place.key.as_ref())
        .map_err(|error| failed("The store cannot be checked", &error))?;
    if json {
        let said: Vec<_> = faults
            .iter()
            .map(|fault| json!({ "file": fault.path, "problem": fault.problem, "is_cache": fault.is_cache }))
            .collect();
        report::line(json!({ "store": place.dir, "whole": faults.is_empty(), "faults": said }));
        return if faults.is_empty() { Ok(()) } else { Err(Failure::silent(1)) };
    }
    for fault in &faults {
        let kind = if fault.is_cache { " (a cache: it is made anew)" } else { "" };
        report::line(format_args!("{}: {}{kind}", fault.path.display(), fault.problem));
    }
    if faults.is_empty() {
        report::line("Everything is as it was written.");
        return Ok(());
    }
    Err(Failure::new(
        FAILED,
        format!("{} of its files are damaged", faults.len()),
        "A monitor sets damaged days aside and serves the others; put damaged days back from a backup",
    ))
}

fn backup(place: &Place, to: &Path) -> Result<(), Failure> {
    const FAILED: &str = "The backup was not made";
    place.must_exist(FAILED)?;
    let copied = backup::backup(&place.dir, to, place.key.as_ref()).map_err(|error| failed(FAILED, &error))?;
    say_copied(&copied, "Copied")?;
    if place.key.is_some() {
        report::line(format_args!(
            "The key is not in it: keep {} in another place, or the backup cannot be read.",
            place.home.key().display()
        ));
    }
    Ok(())
}

fn restore(place: &Place, from: &Path) -> Result<(), Failure> {
    const FAILED: &str = "The backup was not restored";
    let restored = backup::restore(from, &place.dir, place.key.as_ref()).map_err(|error| match &error {
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => Failure::new(
            FAILED,
            &error,
            format!("Stop the monitor and move {} away, or name another with --port", place.dir.display()),
        ),
        _ => failed(FAILED, &error),
    })?;
    say_copied(&restored, "Restored")
}

fn say_copied(copied: &Copied, verb: &str) -> Result<(), Failure> {
    report::line(format_args!("{verb} {} days, {} bytes.", copied.files.len(), copied.bytes));
    if copied.faults.is_empty() {
        return Ok(());
    }
    let named: Vec<_> =
        copied.faults.iter().map(|fault| format!("{}: {}", fault.path.display(), fault.problem)).collect();
    Err(Failure::new("Not everything in the copy is whole", named.join("; "), "Run claude-mpm store verify"))
}

fn export_key(place: &Place) -> Result<(), Failure> {
    let key = place.key.as_ref().ok_or_else(|| {
        Failure::new(
            "There is no key to export",
            format!("{} is not there", place.home.key().display()),
            "Start the monitor once: it makes one",
        )
    })?;
    report::aside(
        "Whoever has this key can read everything that is stored. Put it back as the same file, mode 0600.\n",
    );
    report::line(key.to_hex());
    Ok(())
}

/// The new key waits beside the old one until every file is wrapped with it, so that a rotation cut short can go on.
fn rotate(place: &Place) -> Result<(), Failure> {
    const FAILED: &str = "The key was not changed everywhere";
    let Some(old) = &place.key else { return export_key(place) };
    let (path, waiting) = (place.home.key(), place.home.key().with_extension("key.new"));
    let new = key::load_or_create(&waiting).map_err(|error| failed(FAILED, &error))?;
    let folders = std::fs::read_dir(place.home.monitors()).into_iter().flatten().flatten();
    let mut files = 0;
    for dir in folders.map(|folder| folder.path()).filter(|dir| dir.join("store.lock").exists()) {
        files += backup::rotate(&dir, old, &new).map_err(|error| match error {
            StoreError::Locked { .. } => {
                Failure::new(FAILED, &error, "Stop all monitors with claude-mpm monitor stop, and run this again")
            }
            _ => Failure::new(FAILED, &error, "Run this again when the reason is gone: it goes on where it ended"),
        })?;
    }
    std::fs::rename(&waiting, &path)
        .map_err(|error| Failure::new(FAILED, format!("replacing {}: {error}", path.display()), "Run this again"))?;
    report::line(format_args!("A new key opens {files} files. Backups made before need the old one."));
    Ok(())
}

impl Place {
    fn must_exist(&self, failed: &str) -> Result<(), Failure> {
        if self.dir.join("store.lock").exists() {
            return Ok(());
        }
        Err(Failure::new(
            failed,
            format!("there is no store in {}", self.dir.display()),
            "Say whose it is with --port, or with --name if its monitor was started with one",
        ))
    }
}

/// A failure of the store, and what helps.
fn failed(what: &str, error: &StoreError) -> Failure {
    let help = match error {
        StoreError::Locked { .. } => "Stop the monitor with claude-mpm monitor stop, and run this again",
        StoreError::WrongKey { .. } | StoreError::KeyMissing { .. } => "Put the key back that this store was made with",
        StoreError::KeyFile { .. } | StoreError::Encryption { .. } => "Do as the reason says; nothing was changed",
        StoreError::Newer { .. } => "Use the newer release",
        full if full.is_full() => "That disk is full: free space there, then run this again",
        StoreError::Io { source, .. } => report::way_out(source),
        _ => "Do as the reason says; claude-mpm store verify names every damaged file",
    };
    Failure::new(what, error, help)
}
