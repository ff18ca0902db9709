//! Answers `GET /api/v1/files/diff`: how a file that a session works on differs from what git has of it.
//!
//! Git is asked for the committed bytes alone. `git diff` itself would run what the repository's configuration names
//! (filters, other programs), and an agent may have written that; so the two are compared by `diff`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
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

/// Files beyond this are not compared, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The most of a difference that is told, in bytes.
const DIFF_BYTES_MAX: u64 = 1 << 20;

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
    let Query(wanted) = wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    if !matches!(wanted.against.as_deref(), None | Some("git")) {
        return Err(Problem::bad_request("against is git"));
    }
    if !granted.trusted {
        let only = "files are for this monitor's own page and this user's programs";
        return Err(Problem::new(StatusCode::FORBIDDEN, "content_withheld", only)
            .suggest("Open the monitor's own page, or bring the token"));
    }
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
    let now = match File::open(&place) {
        Ok(file) if file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX) => Some(()),
        Ok(_) => return Err(failed(io::Error::other("it is no file, or larger than 4 MiB"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let (Some(folder), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str())) else {
        return Err(failed(io::Error::other("its name is no text")));
    };
    let (commit, is_repository) = run(git(folder).args(["rev-parse", "--short", "HEAD"]), b"", 256).map_err(failed)?;
    if !is_repository {
        let message = "its folder is in no git repository with a commit";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_repository", message));
    }
    let object = format!("HEAD:./{name}");
    let (committed, was_there) =
        run(git(folder).args(["cat-file", "blob", &object]), b"", FILE_BYTES_MAX + 1).map_err(failed)?;
    if committed.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(io::Error::other("what git has of it is larger than 4 MiB")));
    }
    if !was_there && now.is_none() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_file", "it is neither on disk nor in git"));
    }
    let mut diff = Command::new("diff");
    diff.args(["-u", "--label", &format!("a/{name}"), "--label", &format!("b/{name}"), "--", "-"]);
    diff.arg(if now.is_some() { place.as_path() } else { Path::new("/dev/null") });
    let (told, _) = run(&mut diff, if was_there { &committed } else { b"" }, DIFF_BYTES_MAX + 1).map_err(failed)?;
    let is_cut = told.len() as u64 > DIFF_BYTES_MAX;
    let is_binary = told.starts_with(b"Binary files") || told.starts_with(b"Files ");
    let mut answer = json!({ "path": place, "against": String::from_utf8_lossy(&commit).trim(),
        "diff": if is_binary { "".into() } else { String::from_utf8_lossy(&told) } });
    let marks = [("is_new", !was_there), ("is_deleted", now.is_none()), ("is_binary", is_binary), ("cut", is_cut)];
    for (mark, _) in marks.into_iter().filter(|(_, is)| *is) {
        answer[mark] = true.into();
    }
    Ok(answer)
}

/// Git in a folder, which reads objects and runs nothing.
fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    git.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("GIT_TERMINAL_PROMPT", "0");
    for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF"] {
        git.env_remove(inherited);
    }
    git
}

/// What a program says to `input`, up to so many bytes, and whether it was content.
fn run(command: &mut Command, input: &[u8], bytes_max: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).env("LC_ALL", "C").spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let deadline = Instant::now() + PROGRAM_MAX;
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let reading = scope.spawn(move || {
            let mut said = Vec::new();
            stdout.map(|stdout| stdout.take(bytes_max).read_to_end(&mut said)).transpose().map(|_| said)
        });
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            // One that has more to say than is wanted waits for its reader.
            if reading.is_finished() || Instant::now() > deadline {
                let _ = child.kill();
                break child.wait()?;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let said = reading.join().map_err(|_| io::ErrorKind::Other)??;
        Ok((said, status.success()))
    })
}
