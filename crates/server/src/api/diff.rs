//! Answers `GET /api/v1/files/diff`: how a file that a session works on differs from what git has of it.
//!
//! Git is asked for the committed bytes alone. `git diff` itself would run what the repository's configuration names
//! (filters, other programs), and an agent may have written that; so the two are compared by `diff`.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use crate::access::Granted;
use crate::app::App;
use crate::files;

/// Files beyond this are not compared, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The most of a difference that is told, in bytes.
const DIFF_BYTES_MAX: u64 = 1 << 20;

/// The most that git says of one name.
const NAMED_BYTES_MAX: u64 = 16 << 10;

/// How long a program may take.
const PROGRAM_MAX: Duration = Duration::from_secs(10);

/// What may be asked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    path: String,
    against: Option<String>,
}

/// `{"path", "against", "is_new"?, "is_deleted"?, "is_binary"?, "cut"?, "diff"}`; an empty `diff` when nothing differs.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::query(&error))?;
    if !matches!(wanted.against.as_deref(), None | Some("git")) {
        return Err(Problem::bad_request("against is git"));
    }
    granted.may_read("what is in files")?;
    let folders: Vec<String> = app.hub.state().sessions.values().filter_map(|session| session.cwd.clone()).collect();
    let compared = tokio::task::spawn_blocking(move || compare(Path::new(&wanted.path), &folders));
    Ok(super::json(compared.await.map_err(Problem::store)??.to_string()))
}

/// The file itself, below a folder that a session works in; symbolic links are followed first.
fn within(path: &Path, folders: &[String]) -> Result<PathBuf, Problem> {
    let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
    let place = folder.and_then(|folder| Some(folder.join(path.file_name()?))).filter(|_| path.is_absolute());
    let is_link = place.as_ref().is_some_and(|place| place.is_symlink());
    let is_below = |place: &PathBuf| {
        folders.iter().filter_map(|folder| fs::canonicalize(folder).ok()).any(|folder| place.starts_with(folder))
    };
    place.filter(|place| !is_link && is_below(place)).ok_or_else(|| {
        let message = "that is no file below a folder that a session works in";
        Problem::new(StatusCode::NOT_FOUND, "no_such_file", message)
    })
}

fn compare(path: &Path, folders: &[String]) -> Result<serde_json::Value, Problem> {
    let place = within(path, folders)?;
    let failed = |error: io::Error| Problem::new(StatusCode::NOT_FOUND, "not_compared", error.to_string());
    let now = match files::open(&place) {
        Ok((_, meta)) if meta.len() <= FILE_BYTES_MAX => Some(()),
        Ok(_) => return Err(failed(io::Error::other("it is larger than 4 MiB"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let (Some(folder), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str())) else {
        return Err(failed(io::Error::other("its name is no text")));
    };
    let commit = run(git(folder).args(["rev-parse", "--short", "HEAD"]), b"", 256).map_err(failed)?;
    if commit.code != Some(0) {
        let message = "its folder is in no git repository with a commit, or in one that git does not trust";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_repository", message));
    }
    let committed = committed(folder, name).map_err(failed)?;
    let (was_there, committed) = (committed.is_some(), committed.unwrap_or_default());
    if !was_there && now.is_none() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_file", "it is neither on disk nor in git"));
    }
    let mut diff = Command::new("diff");
    diff.args(["-u", "--label", &format!("a/{name}"), "--label", &format!("b/{name}"), "--", "-"]);
    diff.arg(if now.is_some() { place.as_path() } else { Path::new("/dev/null") });
    let differs = run(&mut diff, &committed, DIFF_BYTES_MAX).map_err(failed)?;
    if !differs.is_cut && !matches!(differs.code, Some(0 | 1)) {
        return Err(failed(io::Error::other("diff could not compare it")));
    }
    let (told, is_cut) = (differs.said, differs.is_cut);
    let is_binary = told.starts_with(b"Binary files") || told.starts_with(b"Files ");
    let mut answer = json!({ "path": place, "against": String::from_utf8_lossy(&commit.said).trim(),
        "diff": if is_binary { "".into() } else { String::from_utf8_lossy(&told) } });
    let marks = [("is_new", !was_there), ("is_deleted", now.is_none()), ("is_binary", is_binary), ("cut", is_cut)];
    for (mark, _) in marks.into_iter().filter(|(_, is)| *is) {
        answer[mark] = true.into();
    }
    Ok(answer)
}

/// What the last commit has of a file; `None` when it has none of that name.
fn committed(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let failed = || io::Error::other("git could not say what it has of it");
    let listed = run(git(folder).args(["ls-tree", "-z", "HEAD", "--", &format!("./{name}")]), b"", NAMED_BYTES_MAX)?;
    if listed.code != Some(0) {
        return Err(failed());
    }
    // `100644 blob OBJECT<tab>NAME`; a folder or another repository in its place is no file.
    let listed = String::from_utf8_lossy(&listed.said);
    let mut fields = listed.split_ascii_whitespace().skip(1);
    let (Some("blob"), Some(object)) = (fields.next(), fields.next()) else { return Ok(None) };
    let blob = run(git(folder).args(["cat-file", "blob", object]), b"", FILE_BYTES_MAX)?;
    match blob {
        Ran { is_cut: true, .. } => Err(io::Error::other("what git has of it is larger than 4 MiB")),
        Ran { code: Some(0), said, .. } => Ok(Some(said)),
        _ => Err(failed()),
    }
}

/// Git in a folder, which reads objects, runs nothing and fetches nothing. That it reads no folder of another user
/// stays as the user has set it (`safe.directory`).
fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("--no-pager").arg("-C").arg(folder);
    git.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    for (inherited, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
        git.env_remove(inherited);
    }
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
    git.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none").env("GIT_NO_REPLACE_OBJECTS", "1");
    git
}

/// What became of a program.
struct Ran {
    /// What it said, up to so many bytes.
    said: Vec<u8>,
    /// Whether it had more to say.
    is_cut: bool,
    /// Its exit code; `None` when it was ended.
    code: Option<i32>,
}

/// Runs a program on `input`, until it has said more than it may or takes too long: that is an error.
fn run(command: &mut Command, input: &[u8], bytes_max: u64) -> io::Result<Ran> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).env("LC_ALL", "C").spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let deadline = Instant::now() + PROGRAM_MAX;
    let said_more = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let reading = scope.spawn(|| -> io::Result<Vec<u8>> {
            let mut said = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(bytes_max + 1).read_to_end(&mut said)?;
            }
            if said.len() as u64 > bytes_max {
                said.truncate(usize::try_from(bytes_max).unwrap_or(usize::MAX));
                said_more.store(true, Relaxed);
            }
            Ok(said)
        });
        let (status, is_late) = loop {
            if let Some(status) = child.try_wait()? {
                break (status, false);
            }
            let is_late = Instant::now() > deadline;
            // One that has more to say than is wanted waits for its reader.
            if said_more.load(Relaxed) || is_late {
                let _ = child.kill();
                break (child.wait()?, is_late);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let said = reading.join().map_err(|_| io::ErrorKind::Other)??;
        if is_late {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "comparing it took too long"));
        }
        Ok(Ran { said, is_cut: said_more.load(Relaxed), code: status.code() })
    })
}
