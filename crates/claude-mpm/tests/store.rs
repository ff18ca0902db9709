//! `claude-mpm store`, and what the store promises of a whole monitor: copies, checks, exports, keys, retention, search.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::{self, Home, Monitor, eventually};

fn run(home: &Home, port: u16, arguments: &[&str]) -> Output {
    let port = port.to_string();
    home.program(&[&["store", "--port", &port], arguments].concat()).output().unwrap()
}

/// Runs a command that must succeed; what it printed.
fn done(home: &Home, port: u16, arguments: &[&str]) -> String {
    let output = run(home, port, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs one that must fail; what it said.
fn refused(home: &Home, port: u16, arguments: &[&str]) -> String {
    let output = run(home, port, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.contains("Error: ") && said.contains("\nReason: ") && said.contains("\nSuggestion: "), "{said}");
    said
}

fn folder(home: &Home, port: u16) -> PathBuf {
    home.path().join(".claude-mpm/monitor").join(port.to_string())
}

fn key_file(home: &Home) -> PathBuf {
    home.path().join(".claude-mpm/keys/store.key")
}

fn configure(home: &Home, text: &str) {
    std::fs::create_dir_all(home.path().join(".claude-mpm")).unwrap();
    std::fs::write(home.path().join(".claude-mpm/configuration.yaml"), text).unwrap();
}

fn say(monitor: &Monitor, message: &str) {
    let event = json!({ "namespace": "/log", "event": "message", "data": { "level": "INFO", "message": message } });
    assert_eq!(monitor.post("/emit", &event.to_string()).0, 200);
}

/// A session with a prompt, and a file whose body is withheld.
fn a_session(home: &Home, monitor: &Monitor) {
    for hook in [
        json!({ "session_id": "s-plaintext", "hook_event_name": "UserPromptSubmit", "prompt": "rewrite plaintext-prompt", "cwd": "/w/plaintext-project" }),
        json!({ "session_id": "s-plaintext", "hook_event_name": "PreToolUse", "tool_name": "Write", "cwd": "/w/plaintext-project", "tool_use_id": "t1",
            "tool_input": { "file_path": "/w/plaintext-path.txt", "content": "the plaintext-body of a file" } }),
    ] {
        home.hook(monitor.port, hook.to_string().as_bytes());
    }
    monitor.history_when(|events| events.iter().any(|event| event["kind"] == "tool_call.started"));
}

/// An export of events of several days, a hundred each.
pub(crate) fn days_of_events(days: u64) -> String {
    let mut lines = String::new();
    for seq in 1..=days * 100 {
        let time = format!("2026-11-{:02}T12:00:00.000Z", 1 + (seq - 1) / 100);
        let noise: String = (0..40_u64)
            .map(|at| format!("{:x}", seq.wrapping_mul(at + 77).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .collect();
        let event = json!({ "seq": seq, "time": time, "recorded_at": time, "kind": "log.message", "namespace": "/log", "event": "message",
            "summary": format!("line {seq}"), "sources": ["emit"], "data": { "level": "INFO", "message": format!("line {seq} {noise}") } });
        lines.push_str(&event.to_string());
        lines.push('\n');
    }
    lines
}

pub(crate) fn import(home: &Home, port: u16, lines: &str) {
    let mut process = home
        .program(&["store", "--port", &port.to_string(), "import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());
}

/// A port that is free now, for monitors that are started on it later.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn history_is_searched_by_parts_of_paths_and_identifiers_and_by_names() {
    let home = Home::new();
    let monitor = home.monitor();
    a_session(&home, &monitor);
    say(&monitor, "at handleRequest (src/server/hub.rs:41) snake_case \"Ünïcode\"\nC:\\Temp");
    for number in 0..60 {
        say(&monitor, &format!("other line {number}"));
    }
    for query in [
        "src/server/hub.rs",
        "hub.rs",
        "request",
        "handlerequest",
        "case",
        "ÜNÏ",
        "temp",
        "\"snake_case\"",
        "hub tool:*,-x kind:log -other",
    ] {
        let page = monitor.get(&format!("/api/v1/events?q={}", encoded(query)));
        let found = page["events"].as_array().unwrap();
        let expected = usize::from(!query.contains("tool:"));
        assert_eq!(found.len(), expected, "{query}: {page}");
    }
    for query in ["tool:Write plaintext", "session:s-plain kind:tool", "path:plaintext-path"] {
        let page = monitor.get(&format!("/api/v1/events?q={}", encoded(query)));
        assert!(!page["events"].as_array().unwrap().is_empty(), "{query}");
        assert!(page["events"].as_array().unwrap().iter().all(|event| event["session_id"] == "s-plaintext"), "{query}");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn an_export_with_content_is_imported_as_the_same_events() {
    let home = Home::new();
    let monitor = home.monitor();
    a_session(&home, &monitor);
    say(&monitor, "quotes \" and , commas\nand lines, ends");
    let port = monitor.port;
    // Beside the running monitor.
    let without = done(&home, port, &["export"]);
    assert!(!without.contains("plaintext-body") && without.contains("\"cut\":[{"), "{without}");
    let found = done(&home, port, &["export", "--query", "kind:log"]);
    assert!(found.lines().count() == 1 && found.contains("commas"), "{found}");
    let table = done(&home, port, &["export", "--format", "csv"]);
    assert!(table.starts_with("seq,time,recorded_at,kind,") && table.contains("\"\"quotes"), "{table}");
    monitor.stop();

    let whole = done(&home, port, &["export", "--content"]);
    assert!(whole.contains("the plaintext-body of a file"));
    let other = Home::new();
    import(&other, port, &whole);
    assert_eq!(done(&other, port, &["export", "--content"]), whole);
    let monitor = other.monitor_on(port);
    let lines: Vec<Value> = without.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(monitor.history()[..lines.len()], lines);
    let refused = refused(&other, port, &["import", "/dev/null"]);
    assert!(refused.contains("there are events in"), "{refused}");
}

#[test]
fn a_backup_made_while_events_come_in_is_restored_with_all_that_was_acknowledged_before() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    for number in 0..200 {
        say(&monitor, &format!("before {number}"));
    }
    let before = monitor.history();
    let backup = home.path().join("backup");
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| (0..300).for_each(|number| say(&monitor, &format!("during {number}"))));
        let said = done(&home, port, &["backup", backup.to_str().unwrap()]);
        assert!(said.contains("Copied 1 days") && said.contains("The key is not in it"), "{said}");
        sender.join().unwrap();
    });
    let other = Home::new();
    let said = refused(&other, port, &["restore", backup.to_str().unwrap()]);
    assert!(said.contains("no key was given"), "{said}");
    std::fs::create_dir_all(key_file(&other).parent().unwrap()).unwrap();
    std::fs::copy(key_file(&home), key_file(&other)).unwrap();
    done(&other, port, &["restore", backup.to_str().unwrap()]);
    monitor.stop();
    let restored = other.monitor_on(port);
    assert_eq!(restored.history()[..before.len()], before);
    let said = refused(&home, port, &["restore", backup.to_str().unwrap()]);
    assert!(said.contains("something in it"), "{said}");
}

#[test]
fn a_flipped_byte_is_named_and_the_monitor_serves_the_other_days_and_sets_that_one_aside() {
    let (home, port) = (Home::new(), free_port());
    import(&home, port, &days_of_events(3));
    assert!(done(&home, port, &["verify"]).contains("Everything is as it was written"));
    let path = folder(&home, port).join("events-2026-11-02.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&path, &bytes).unwrap();
    let output = run(&home, port, &["verify"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && said.contains("events-2026-11-02.db: "), "{said}");

    let monitor = home.monitor_on(port);
    let served = monitor.history();
    let lines: Vec<u64> = served
        .iter()
        .filter(|event| event["kind"] == "log.message")
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    for seq in (1..=100).chain(201..=300) {
        assert!(lines.contains(&seq), "{seq} is not served");
    }
    let aside = eventually("the damaged day is set aside", || {
        monitor.history();
        Some(folder(&home, port).join("damaged/events-2026-11-02.db")).filter(|path| path.exists())
    });
    assert_eq!(std::fs::read(aside).unwrap(), bytes, "as it was found");
}

#[test]
fn a_new_key_opens_what_the_old_one_did() {
    let home = Home::new();
    let monitor = home.monitor();
    say(&monitor, "before the new key");
    let port = monitor.port;
    let said = refused(&home, port, &["key", "rotate"]);
    assert!(said.contains("is in use by process") && said.contains("monitor stop"), "{said}");
    let before = monitor.history();
    monitor.stop();
    let old = done(&home, port, &["key", "export"]);
    assert_eq!(old, std::fs::read_to_string(key_file(&home)).unwrap());
    done(&home, port, &["key", "rotate"]);
    let new = done(&home, port, &["key", "export"]);
    assert_ne!(old, new);
    let monitor = home.monitor_on(port);
    assert_eq!(monitor.history()[..before.len()], before);
    monitor.stop();

    // The old key, and none at all: both are refused, and nothing is made in their place.
    for harm in [Some(&old), None] {
        match harm {
            Some(old) => std::fs::write(key_file(&home), old).unwrap(),
            None => std::fs::remove_file(key_file(&home)).unwrap(),
        }
        let ended = home.program(&["monitor", "start", "--foreground", "--port", &port.to_string()]).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("key") && said.contains("Suggestion: "), "{said}");
        assert_eq!(key_file(&home).exists(), harm.is_some());
    }
    std::fs::write(key_file(&home), new).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(key_file(&home), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(home.monitor_on(port).history()[..before.len()], before);
}

#[test]
fn a_store_that_is_larger_than_asked_for_loses_its_oldest_days_and_followers_are_told() {
    let (home, port) = (Home::new(), free_port());
    import(&home, port, &days_of_events(8));
    let info = done(&home, port, &["info"]);
    assert!(
        info.contains("events-2026-11-08.db") && info.contains("701 to 800") && info.contains("Encrypted: yes"),
        "{info}"
    );
    configure(&home, "monitoring:\n  store:\n    keep_gb: 0.0005\n");
    let monitor = home.monitor_on(port);
    let first = eventually("the oldest days are removed", || {
        let events = monitor.history();
        events.first().and_then(|event| event["seq"].as_u64()).filter(|seq| *seq > 1)
    });
    assert_eq!(first % 100, 1, "whole days: {first}");
    assert_eq!(monitor.request("GET", &format!("/api/v1/events/{}", first - 1), &[], "").0, 410);
    say(&monitor, "events go on");
    assert!(!folder(&home, port).join("events-2026-11-01.db").exists());
    if let Some(mut client) = support::program_on_path("curl").map(std::process::Command::new) {
        client.args(["-sN", &monitor.url("/api/v1/stream?since=5")]).stdout(Stdio::piped());
        let mut process = client.spawn().unwrap();
        let lines = support::lines_of(process.stdout.take().unwrap());
        let told =
            eventually("the follower is told of the gap", || lines.try_iter().find(|line| line.contains("\"from\":6")));
        assert!(told.contains(&format!("\"to\":{}", first - 1)), "{told}");
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn no_file_of_a_drained_monitor_holds_plaintext_and_without_encryption_sqlite_opens_them() {
    for encrypted in [true, false] {
        let home = Home::new();
        configure(&home, &format!("monitoring:\n  store:\n    encrypted: {encrypted}\n"));
        let monitor = home.monitor();
        a_session(&home, &monitor);
        for number in 0..40 {
            say(&monitor, &format!("plaintext-message {number}"));
        }
        let port = monitor.port;
        eventually("the index covers the events", || {
            let info = done(&home, port, &["info"]);
            folder(&home, port)
                .read_dir()
                .unwrap()
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("index-"))
                .then_some(info)
        });
        monitor.stop();
        let (mut files, mut open) = (0, Vec::new());
        every_file(home.path(), &mut |path, bytes| {
            files += 1;
            // The spool is plaintext: hooks have no key. It is the one exception, and documented.
            if path.components().any(|part| part.as_os_str() == "spool") {
                return;
            }
            for secret in ["plaintext", "UserPromptSubmit", "PreToolUse", "tool_call"] {
                if bytes.windows(secret.len()).any(|part| part == secret.as_bytes()) {
                    open.push(format!("{secret} in {}", path.display()));
                }
            }
        });
        assert!(files >= 8, "only {files} files");
        assert_eq!(open.is_empty(), encrypted, "{open:#?}");
        let header = std::fs::read_dir(folder(&home, port)).unwrap().flatten().find(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("events-") && name.ends_with(".db")
        });
        let header = std::fs::read(header.unwrap().path()).unwrap();
        assert_eq!(header.starts_with(b"SQLite format 3\0"), !encrypted);
    }
}

fn every_file(dir: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => every_file(&path, look),
            kind if kind.is_file() => look(&path, &std::fs::read(&path).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_second_start_on_the_same_folder_starts_nothing_and_names_the_first() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port.to_string();
    let second =
        home.program(&["monitor", "start", "--foreground", "--port", &port, "--host", "127.0.0.2"]).output().unwrap();
    let said = String::from_utf8(second.stdout).unwrap();
    assert!(second.status.success() && said.contains(&monitor.pid().to_string()), "{said}");
    assert!(std::net::TcpStream::connect(("127.0.0.2", monitor.port)).is_err());
    say(&monitor, "the first goes on");
}

#[test]
fn a_folder_that_cannot_be_written_is_named_when_the_monitor_starts() {
    let Some(_) = support::program_on_path("unshare") else { return };
    let allowed =
        std::process::Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        assert!(std::env::var_os("CI").is_none(), "no mount namespaces here, and a skip is a failure in CI");
        eprintln!("skipped: no mount namespaces here");
        return;
    }
    let home = Home::new();
    let monitor = home.monitor();
    say(&monitor, "kept");
    let port = monitor.port;
    monitor.stop();
    let script = "mount -t tmpfs none \"$1\" 2>/dev/null; mount -o remount,ro \"$1\" && exec \"$0\" monitor start --foreground --port 0";
    let program = home.program(&[]);
    let mut command = std::process::Command::new("unshare");
    command.args(["-rm", "sh", "-c", script]).arg(program.get_program()).arg(folder(&home, port).parent().unwrap());
    let ended =
        command.env_clear().env("HOME", home.path()).env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(".claude-mpm/monitor/") && said.contains("Read-only file system"), "{said}");
    assert!(
        home.monitor_on(port)
            .history()
            .iter()
            .any(|event| event["summary"].as_str().is_some_and(|said| said.contains("kept")))
    );
}

#[test]
fn a_payload_of_a_hundred_megabytes_is_refused_at_the_door_and_cut_from_a_hook() {
    let home = Home::new();
    let monitor = home.monitor();
    let huge = "x".repeat(100 << 20);
    let body = format!("{{\"namespace\":\"/log\",\"event\":\"message\",\"data\":{{\"message\":\"{huge}\"}}}}");
    // It may close the connection before all of it is sent.
    if let Some((status, said)) = support::try_request(monitor.port, "POST", "/emit", &[], &body) {
        assert_eq!(status, 413, "{said}");
    }
    let hook = format!("{{\"session_id\":\"s1\",\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":\"{huge}\"}}");
    home.hook(monitor.port, hook.as_bytes());
    say(&monitor, "and goes on");
    let events = monitor.history_when(|events| events.iter().any(|event| event["kind"] == "log.message"));
    assert!(events.iter().all(|event| event.to_string().len() < 1 << 20), "no event is larger than a frame");
    assert!(events.iter().all(|event| event["summary"] != "x"), "{events:?}");
}

#[test]
fn a_pinned_session_is_served_when_its_days_are_removed_and_only_its_user_may_pin_it() {
    let (home, port) = (Home::new(), free_port());
    // One of the first day's events is of a session of its own.
    import(&home, port, &days_of_events(8).replacen("\"seq\":8,", "\"seq\":8,\"session_id\":\"s-dear\",", 1));
    let monitor = home.monitor_on(port);
    let pin = "/api/v1/sessions/s-dear/pin";
    assert_eq!(monitor.request("PUT", "/api/v1/sessions/nobody/pin", &[], "").0, 404);
    let page = [("origin", "http://localhost:1")];
    assert_eq!(monitor.request("PUT", pin, &page, "").0, 403, "another page");
    let (status, body) = monitor.request("PUT", pin, &[], "");
    assert_eq!((status, body.as_str()), (200, "{\"session_id\":\"s-dear\",\"pinned\":true}"));
    let own =
        json!({ "session_id": "s-now", "hook_event_name": "UserPromptSubmit", "prompt": "hello", "cwd": "/w/app" });
    home.hook(port, own.to_string().as_bytes());
    monitor.history_when(|events| events.iter().any(|event| event["session_id"] == "s-now"));
    assert!(done(&home, port, &["pin", "s-now"]).contains("s-now is kept when its days are removed"));
    let shown = |monitor: &Monitor| {
        let sessions = monitor.get("/api/v1/sessions");
        sessions["sessions"].as_array().unwrap().iter().find(|session| session["session_id"] == "s-now").cloned()
    };
    assert_eq!(shown(&monitor).unwrap()["pinned"], true);
    monitor.kill();

    configure(&home, "monitoring:\n  store:\n    keep_gb: 0.0005\n");
    let monitor = home.monitor_on(port);
    assert_eq!(shown(&monitor).unwrap()["pinned"], true, "also after a crash");
    eventually("the oldest day is removed", || {
        (!folder(&home, port).join("events-2026-11-01.db").exists()).then_some(())
    });
    assert_eq!(monitor.get("/api/v1/events/8")["session_id"], "s-dear");
    assert_eq!(monitor.request("GET", "/api/v1/events/7", &[], "").0, 410);
    let found = monitor.get("/api/v1/events?session=s-dear");
    assert_eq!(found["events"].as_array().unwrap().len(), 1, "{found}");
    assert!(done(&home, port, &["export"]).contains("\"session_id\":\"s-dear\""));
    assert!(done(&home, port, &["info"]).contains("pinned.db"));
    assert_eq!(done(&home, port, &["verify"]), "Everything is as it was written.\n");
    monitor.stop();

    done(&home, port, &["unpin", "s-dear"]);
    assert!(refused(&home, port, &["pin", "nobody"]).contains("nothing is stored of a session"));
    let monitor = home.monitor_on(port);
    eventually("what is not pinned any more goes", || {
        (monitor.request("GET", "/api/v1/events/8", &[], "").0 == 410).then_some(())
    });
}

#[test]
fn a_monitor_starts_beside_a_damaged_newest_day_names_it_and_serves_and_stores_the_rest() {
    let (home, port) = (Home::new(), free_port());
    import(&home, port, &days_of_events(3));
    let newest = folder(&home, port).join("events-2026-11-03.db");
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[..4_096].fill(0x5A);
    std::fs::write(&newest, &bytes).unwrap();

    let monitor = home.monitor_on(port);
    say(&monitor, "events go on");
    let numbers: Vec<u64> = monitor.history().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers[..200], (1..=200).collect::<Vec<_>>());
    assert!(numbers[200..].len() >= 2 && numbers[200] > 300, "{:?}", &numbers[200..]);
    let (status, body) = monitor.request("GET", "/api/v1/events/250", &[], "");
    assert_eq!(status, 410, "{body}");
    let aside = folder(&home, port).join("damaged/events-2026-11-03.db");
    assert_eq!(std::fs::read(aside).unwrap(), bytes, "as it was found");
    let log = std::fs::read_to_string(home.path().join(format!(".claude-mpm/logs/monitor-{port}.log"))).unwrap();
    assert!(log.contains("events-2026-11-03.db is damaged; it is set aside in"), "{log}");
    assert!(done(&home, port, &["verify"]).contains("Everything is as it was written"));
    monitor.stop();
    // The next start goes on from there.
    let monitor = home.monitor_on(port);
    let again: Vec<u64> = monitor.history().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(again[..numbers.len()], numbers);
}

#[test]
fn bodies_of_files_are_searched_for_those_alone_who_may_read_them() {
    let home = Home::new();
    let monitor = home.monitor();
    a_session(&home, &monitor);
    let path = format!("/api/v1/events?q={}", encoded("in:content plaintext-body"));
    let found = monitor.get(&path);
    assert_eq!(found["events"].as_array().unwrap().len(), 1, "{found}");
    let (status, body) = monitor.request("GET", &path, &[("origin", "http://localhost:3000")], "");
    assert_eq!(status, 403, "{body}");
    assert!(!body.contains("tool_call"), "{body}");
    let open = format!("/api/v1/events?q={}", encoded("plaintext-body"));
    assert_eq!(
        monitor.get(&open)["events"],
        json!([]),
        "bodies are in no index, and not looked at without being asked"
    );
}
