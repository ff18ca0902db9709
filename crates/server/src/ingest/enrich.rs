//! What a hook does not say and the disk knows: the size of a memory file that was loaded.

use std::io::Read;
use std::path::Path;

use event::event::Fact;
use event::hook_input::set;
use event::vocabulary::Kind;
use serde_json::json;

use super::clients::process;
use crate::{files, runs};

/// How much of a memory file is read to count its sections, in bytes. Claude Code warns at 40,000 characters.
const MEMORY_BYTES_MAX: u64 = 1024 * 1024;

/// Completes a fact from the disk, where that is cheap. Blocking, in the range of microseconds.
pub(crate) fn complete(fact: &mut Fact) {
    if !matches!(fact.kind, Kind::MemoryLoaded | Kind::MemoryInjected) {
        return;
    }
    let Some((bytes, sections)) = fact.text("file_path").and_then(measure) else { return };
    set(&mut fact.data, "memory_size", json!(bytes));
    set(&mut fact.data, "sections_count", json!(sections));
}

/// Names the run of our launcher that a session begins in, and its agent's process: an id that the client chose itself
/// (`--continue`, `/clear`) is known to no launcher. Its hook was started by `client`.
pub(crate) fn launch(fact: &mut Fact, client: u32) {
    if fact.kind == Kind::SessionStarted && fact.launch_id.is_none() && client != 0 {
        // Of a hook that ran while no monitor did, the client may be gone, and its number another's.
        if !process::began_by(client, fact.time) {
            return;
        }
        let Some((launch, agent)) = runs::agent_above(client) else { return };
        fact.launch_id = Some(launch);
        set(&mut fact.data, "client_pid", json!(agent));
    }
}

/// Its size, and how many headings are in it. `None` for what cannot be read, or is no file.
fn measure(path: &str) -> Option<(u64, usize)> {
    let (file, meta) = files::open(Path::new(path)).ok()?;
    let mut text = Vec::new();
    file.take(MEMORY_BYTES_MAX).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let headings = text.lines().filter(|line| line.starts_with('#') && line.trim_start_matches('#').starts_with(' '));
    Some((meta.len(), headings.count()))
}
