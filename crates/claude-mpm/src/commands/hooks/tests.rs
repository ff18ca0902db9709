//! Installing and removing, on files as people have them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::places::Scope;
use super::settings::{self, Handler, Wanted};
use super::{Options, install, program, status, uninstall};

/// A user with a home, and a client that knows the old events only.
struct User {
    temp: tempfile::TempDir,
    options: Options,
}

impl User {
    fn new() -> User {
        let temp = tempfile::tempdir().unwrap();
        let claude = temp.path().join(".claude");
        let folder = temp.path().join(".claude-mpm");
        let handler = Handler { program: program::path(&folder), port: 8765, cap_bytes: None, home: None };
        let options = Options {
            scope: Scope { settings: claude.join("settings.json"), commands: Some(claude.join("commands")), flag: "" },
            folder,
            handler,
            dry_run: false,
            live_text: false,
            watch_files: Vec::new(),
            client: None,
            path: None,
        };
        User { temp, options }
    }

    fn with(settings: &str) -> User {
        let user = User::new();
        fs::create_dir_all(user.settings().parent().unwrap()).unwrap();
        fs::write(user.settings(), settings).unwrap();
        user
    }

    fn settings(&self) -> PathBuf {
        self.options.scope.settings.clone()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.settings()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.settings().parent().unwrap()).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const THEIRS: &str = r#"{
    "model": "opus",
    "permissions": { "allow": ["Bash(ls:*)"], "deny": [] },
    "hooks": {
        "PreToolUse": [
            { "matcher": "Bash", "hooks": [ { "type": "command", "command": "/opt/guard --strict" } ] }
        ],
        "Stop": [{"hooks":[{"type":"command","command":"say 'done \"now\"' # ä}]"}]}],
        "Notification": []
    },
    "env": {"A":"1"}
}"#;

#[test]
fn uninstalling_gives_back_the_very_bytes() {
    for settings in [
        THEIRS,
        "{}",
        "{}\n",
        "{ }",
        "{\n}\n",
        "",
        "\n",
        "{\"hooks\":{}}",
        "{\"hooks\": {\"Stop\": []}}\n",
        "{\"a\":1,\"hooks\":{\"Stop\":[{\"hooks\":[]}]}}",
        "{\r\n\t\"a\": [\r\n\t]\r\n}\r\n",
        "{\n \"a\" : 1\n ,\"b\":2 }",
    ] {
        let user = User::with(settings);
        install(&user.options).unwrap();
        assert_eq!(user.json()["hooks"]["SessionEnd"].as_array().unwrap().len(), 1);
        let installed = user.text();
        install(&user.options).unwrap();
        assert_eq!(user.text(), installed, "the second time changed something");
        uninstall(&user.options).unwrap();
        assert_eq!(user.text(), settings);
        assert_eq!(user.files(), ["settings.json"], "something stayed behind");
    }
}

#[test]
fn without_a_file_there_is_none_afterwards() {
    let user = User::new();
    install(&user.options).unwrap();
    assert!(user.text().starts_with("{\n  \"hooks\": {\n    \"SessionStart\": ["));
    uninstall(&user.options).unwrap();
    assert!(!user.settings().exists());
    uninstall(&user.options).unwrap();
}

#[test]
fn the_hooks_of_others_are_untouched_and_ours_run_besides() {
    let user = User::with(THEIRS);
    install(&user.options).unwrap();
    let (settings, before) = (user.json(), serde_json::from_str::<Value>(THEIRS).unwrap());
    assert_eq!(settings["hooks"]["PreToolUse"][0], before["hooks"]["PreToolUse"][0]);
    assert_eq!(
        settings["hooks"]["PreToolUse"][1],
        json!({"hooks": [{
            "type": "command",
            "command": user.options.handler.program.display().to_string(),
            "args": ["--port", "8765"],
            "timeout": 5
        }]})
    );
    for line in THEIRS.lines().filter(|line| !line.contains("Notification") && !line.contains("\"}]}],")) {
        assert!(user.text().contains(line.trim_end_matches(['}', ','])), "{line}");
    }
    let names: Vec<_> = settings["hooks"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 25);
    for absent in
        ["FileChanged", "MessageDisplay", "WorktreeCreate", "WorktreeRemove", "DirectoryAdded", "TeammateIdle"]
    {
        assert!(!names.iter().any(|name| name == absent), "{absent}");
    }
}

#[test]
fn what_changed_meanwhile_stays_when_ours_go() {
    let user = User::with(THEIRS);
    install(&user.options).unwrap();
    let changed = user.text().replace("\"opus\"", "\"sonnet\"").replace("--strict", "--lax");
    fs::write(user.settings(), &changed).unwrap();
    uninstall(&user.options).unwrap();
    // The empty list of Notification held nothing but ours by then.
    let expected = THEIRS
        .replace("\"opus\"", "\"sonnet\"")
        .replace("--strict", "--lax")
        .replace(",\n        \"Notification\": []", "");
    assert_eq!(user.text(), expected);
}

#[test]
fn another_port_or_another_choice_replaces_the_handler_in_its_place() {
    let mut user = User::with(THEIRS);
    install(&user.options).unwrap();
    let first = user.text();
    user.options.handler.port = 8770;
    user.options.handler.cap_bytes = Some(1_000_000);
    user.options.watch_files = vec![".envrc".to_owned(), "Cargo.toml".to_owned()];
    install(&user.options).unwrap();
    let settings = user.json();
    assert_eq!(settings["hooks"]["Stop"][1]["hooks"][0]["args"], json!(["--port", "8770", "--cap-bytes", "1000000"]));
    assert_eq!(settings["hooks"]["Stop"].as_array().unwrap().len(), 2);
    assert_eq!(settings["hooks"]["FileChanged"][0]["matcher"], ".envrc|Cargo.toml");
    let report = status(&user.options).unwrap().to_string();
    assert!(report.contains("26 hooks are installed") && report.contains("Port: 8770"), "{report}");

    user.options.watch_files = vec!["Cargo.lock".to_owned()];
    install(&user.options).unwrap();
    assert_eq!(
        user.json()["hooks"]["FileChanged"],
        json!([{"matcher": "Cargo.lock", "hooks": [user.json()["hooks"]["Stop"][1]["hooks"][0]]}])
    );
    user.options.watch_files.clear();
    user.options.handler = Handler { port: 8765, cap_bytes: None, ..user.options.handler.clone() };
    install(&user.options).unwrap();
    assert_eq!(user.text(), first);
    uninstall(&user.options).unwrap();
    assert_eq!(user.text(), THEIRS);
}

#[test]
fn our_handler_is_known_in_every_form_and_no_other_is_taken_for_it() {
    let command = |command: &str| json!({"type": "command", "command": command});
    let ours = [
        command("/home/u/.claude-mpm/bin/claude-mpm-hook"),
        command("/old/build/claude-mpm-hook --port 8765"),
        command("claude-mpm hook --port 1"),
        json!({"type": "command", "command": "/usr/bin/claude-mpm", "args": ["hook"]}),
        json!({"type": "command", "command": "/home/with blank/claude-mpm-hook", "args": []}),
    ];
    let theirs = [
        command("/venv/bin/claude-hook"),
        command("claude-mpm monitor start"),
        command("echo claude-mpm-hook"),
        command("/x/claude-mpm-hook-wrapper"),
        json!({"type": "http", "url": "http://localhost/claude-mpm-hook"}),
    ];
    let all: Vec<_> = ours.iter().chain(&theirs).cloned().collect();
    let user = User::with(&json!({"hooks": {"Stop": [{"matcher": "", "hooks": all}]}}).to_string());
    uninstall(&user.options).unwrap();
    assert_eq!(user.json(), json!({"hooks": {"Stop": [{"matcher": "", "hooks": theirs}]}}));
}

#[test]
fn a_file_that_cannot_be_understood_is_left_alone_with_three_lines() {
    for settings in
        ["{\"a\":1,}", "// mine\n{}", "[]", "{\"hooks\":[]}", "{\"hooks\":{\"Stop\":{}}}", "\u{feff}{}", "{", "null"]
    {
        let user = User::with(settings);
        for run in [install, uninstall] {
            let failure = format!("{:?}", run(&user.options).unwrap_err());
            for part in ["Error: ", "was left alone", "Reason: ", "Suggestion: "] {
                assert!(failure.contains(part), "{failure}");
            }
        }
        assert_eq!(user.text(), settings);
        assert_eq!(user.files(), ["settings.json"]);
    }
    let user = User::with("");
    fs::write(user.settings(), [b'{', 0xFF, b'}']).unwrap();
    assert!(install(&user.options).is_err());
}

#[test]
fn a_dry_run_shows_the_difference_and_touches_nothing() {
    let mut user = User::with("{\n  \"model\": \"opus\"\n}\n");
    user.options.dry_run = true;
    let report = install(&user.options).unwrap().to_string();
    assert!(
        report.contains("+++ ")
            && report.contains("\n-  \"model\": \"opus\"\n+  \"model\": \"opus\",\n+  \"hooks\": {"),
        "{report}"
    );
    assert_eq!(user.files(), ["settings.json"]);
    assert!(!user.temp.path().join(".claude-mpm").exists());
    user.options.dry_run = false;
    install(&user.options).unwrap();
    let installed = user.text();
    user.options.dry_run = true;
    let report = uninstall(&user.options).unwrap().to_string();
    assert!(report.contains("\n+  \"model\": \"opus\"\n"), "{report}");
    assert_eq!(user.text(), installed);
}

#[test]
fn mode_and_symbolic_link_stay() {
    let user = User::with("{}\n");
    let real = user.temp.path().join("dotfiles.json");
    fs::rename(user.settings(), &real).unwrap();
    symlink("../dotfiles.json", user.settings()).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    install(&user.options).unwrap();
    assert!(fs::symlink_metadata(user.settings()).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&real).unwrap().contains("claude-mpm-hook"));
}

#[test]
fn the_hook_program_is_written_once_and_brought_up_to_date() {
    let user = User::new();
    program::refresh(&user.options.folder).unwrap();
    let path = program::path(&user.options.folder);
    assert!(!path.exists(), "the monitor's start installs nothing");
    install(&user.options).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(program::state(&path), "up to date");
    fs::write(&path, "old").unwrap();
    assert_ne!(program::state(&path), "up to date");
    program::refresh(&user.options.folder).unwrap();
    assert_eq!(program::state(&path), "up to date");
}

#[test]
fn events_that_a_client_does_not_know_are_taken_out_again() {
    let handler = User::new().options.handler;
    let wanted = |events: &[&str]| -> Vec<Wanted> {
        events.iter().map(|event| Wanted { event: (*event).to_owned(), matcher: None }).collect()
    };
    let both = settings::install(None, &handler, &wanted(&["Stop", "PreModelSwitch"])).unwrap();
    let one = settings::install(Some(&both), &handler, &wanted(&["Stop"])).unwrap();
    assert_eq!(one, settings::install(None, &handler, &wanted(&["Stop"])).unwrap());
}
