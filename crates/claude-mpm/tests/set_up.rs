//! The commands around the monitor: status of everything, doctor, configuration, init, services, completions, manual.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Home, program_on_path};

struct Said {
    out: String,
    err: String,
    code: i32,
}

fn run(home: &Home, arguments: &[&str]) -> Said {
    run_in(home, home.path(), arguments, &[])
}

fn run_in(home: &Home, folder: &std::path::Path, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = home.program(arguments);
    let output = command.current_dir(folder).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap() }
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    let said = run(home, arguments);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

fn file(home: &Home) -> PathBuf {
    home.path().join(".claude-mpm/configuration.yaml")
}

fn write(path: &std::path::Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn value(home: &Home, key: &str) -> (String, String) {
    let all = json(home, &["config", "--json"]);
    let found = all["values"].as_array().unwrap().iter().find(|value| value["key"] == key).unwrap().clone();
    let value = found["value"].as_str().map_or_else(|| found["value"].to_string(), str::to_owned);
    (value, found["origin"].as_str().unwrap().to_owned())
}

#[test]
fn config_says_where_each_value_comes_from() {
    let home = Home::new();
    assert_eq!(value(&home, "monitoring.port"), ("8765".to_owned(), "default".to_owned()));
    write(
        &file(&home),
        "monitoring:\n  port: 9001\n  websocket:\n    max_connections: 10\n  prot: 1\n  admin:\n    user: me\n    password_hash: $2b$10$abcdefghijklmnopqrstuv\n",
    );
    let origin = file(&home).display().to_string();
    assert_eq!(value(&home, "monitoring.port"), ("9001".to_owned(), origin.clone()));
    assert_eq!(value(&home, "monitoring.websocket.max_connections"), ("10".to_owned(), origin.clone()));
    assert_eq!(value(&home, "monitoring.admin.password_hash").0, "(set)");
    let environment = [("SOCKETIO_PORT", "9002"), ("CLAUDE_MPM_SOCKETIO_TOKEN", "secret")];
    let said = run_in(&home, home.path(), &["config"], &environment);
    let line = |key: &str| {
        said.out.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{}", said.out)).to_owned()
    };
    assert!(
        line("monitoring.port ").contains(" 9002 ") && line("monitoring.port ").ends_with("environment: SOCKETIO_PORT")
    );
    assert!(line("CLAUDE_MPM_SOCKETIO_TOKEN").contains("(set)") && !said.out.contains("secret"));
    assert!(said.out.contains(&format!("✗ monitoring.prot in {origin} means nothing to the monitor")), "{}", said.out);
    assert_eq!(run(&home, &["config", "get", "monitoring.port"]).out, "9001\n");
    assert_eq!(run(&home, &["config", "path"]).out, format!("{origin}\n"));
}

#[test]
fn values_in_json_are_what_they_are() {
    let home = Home::new();
    let all = json(&home, &["config", "--json"]);
    let of =
        |key: &str| all["values"].as_array().unwrap().iter().find(|said| said["key"] == key).unwrap()["value"].clone();
    assert_eq!((of("monitoring.port"), of("monitoring.host")), (8765.into(), "localhost".into()));
    assert_eq!((of("monitoring.websocket.enabled"), of("monitoring.tls.cert")), (true.into(), Value::Null));
    assert_eq!((of("monitoring.cors.origins"), of("monitoring.path_prefix")), (serde_json::json!([]), "".into()));
    assert!(of("monitoring.reclaim").as_array().unwrap().iter().all(Value::is_string));
}

#[test]
fn values_that_need_each_other_are_set_at_once_and_taken_out_again() {
    let home = Home::new();
    let refused = |arguments: &[&str], says: &str| {
        let said = run(&home, arguments);
        assert_eq!((said.code, said.err.lines().count()), (2, 3), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(says), "{}", said.err);
        assert!(
            !said.err.contains("line 1") && !said.err.contains("line 2"),
            "of a file that is not there: {}",
            said.err
        );
        assert!(!file(&home).exists());
    };
    refused(&["config", "set", "monitoring.port", "many"], "monitoring.port takes a port, from 1 to 65535");
    refused(&["config", "set", "monitoring.cors.origins", "x"], "monitoring.cors.origins takes a list of origins");
    refused(&["config", "set", "monitoring.admin.user", "ada"], "monitoring.admin.password_hash HASH");
    refused(&["config", "set", "monitoring.port", "1", "monitoring.host"], "monitoring.host has no value");
    refused(&["config", "set", "monitoring.tls.cert", "/nonexistent"], "monitoring.tls.key FILE");
    let both = ["config", "set", "monitoring.tls.cert", "/no/such/file", "monitoring.tls.key", "/no/such/file"];
    refused(&both, "/no/such/file: No such file");
    let no_hash = ["config", "set", "monitoring.admin.user", "ada", "monitoring.admin.password_hash", "secret"];
    refused(&no_hash, "it is no bcrypt hash");
    let hash = "$2b$12$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu";
    let set = ["config", "set", "monitoring.admin.user", "ada", "monitoring.admin.password_hash", hash];
    assert_eq!(run(&home, &set).err, "");
    assert_eq!(value(&home, "monitoring.admin.user").0, "ada");
    let said = run(&home, &["config", "set", "monitoring.port", "9001"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(run(&home, &["config", "unset", "monitoring.port"]).code, 0);
    assert_eq!(value(&home, "monitoring.port"), ("8765".to_owned(), "default".to_owned()));
    assert_eq!(run(&home, &["config", "unset", "monitoring.admin.user"]).code, 2, "the other one would be alone");
    assert_eq!(run(&home, &["config", "unset", "monitoring.admin.user", "monitoring.admin.password_hash"]).err, "");
    assert_eq!(std::fs::read_to_string(file(&home)).unwrap(), "");
    assert_eq!(
        run(&home, &["config", "set", "monitoring.admin.user", "ada", "monitoring.admin.password_hash", hash]).code,
        0
    );
    assert_eq!(value(&home, "monitoring.admin.user").0, "ada");
}

#[test]
fn a_full_or_read_only_disk_is_named_as_what_it_is() {
    let home = Home::new();
    let Some(_) = program_on_path("unshare") else { return };
    let script = r#"
        mount -t tmpfs -o size=64k none "$HOME"
        head -c 1000000 /dev/zero > "$HOME/ballast" || true
        "$0" config set monitoring.port 9001 || true
        rm "$HOME/ballast" && mkdir -p "$HOME/.claude-mpm" && mount -o remount,ro "$HOME"
        "$0" monitor start || true
    "#;
    let mut command = home.command("unshare", &["-rm", "sh", "-ec", script, env!("CARGO_BIN_EXE_claude-mpm")]);
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    if said.contains("unshare failed") {
        assert!(std::env::var_os("CI").is_none(), "no namespaces here, and a skip is a failure in CI: {said}");
        eprintln!("skipped: no namespaces here");
        return;
    }
    for line in [
        "configuration.yaml cannot be written",
        "Reason: No space left on device",
        "Suggestion: That disk is full: free space there, then try again",
        "Read-only file system",
        "Suggestion: Nothing can be written there; set CLAUDE_MPM_HOME to a folder on another disk",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("Wait for it") && !said.contains("permissions"), "{said}");
}

#[test]
fn a_home_that_means_another_folder_for_each_program_is_refused() {
    let home = Home::new();
    let said = run_in(&home, home.path(), &["monitor", "status"], &[("CLAUDE_MPM_HOME", "relative")]);
    assert_eq!((said.code, said.err.lines().count()), (2, 3), "{}", said.err);
    assert!(said.err.contains("Set CLAUDE_MPM_HOME to an absolute path"), "{}", said.err);
}

#[test]
fn hooks_status_answers_in_json() {
    let home = Home::new();
    assert_eq!(json(&home, &["hooks", "status", "--json"])["hooks"], 0);
    assert_eq!(run(&home, &["hooks", "install", "--port", "9001"]).code, 0);
    let said = json(&home, &["hooks", "status", "--json"]);
    assert!(said["port"] == 9001 && said["hooks"].as_u64().unwrap() > 5, "{said}");
    assert!(said["file"].as_str().unwrap().ends_with("settings.json"), "{said}");
}

#[test]
fn a_projects_file_says_the_port_and_nothing_else() {
    let home = Home::new();
    write(&file(&home), "monitoring:\n  port: 9001\n");
    let project = home.path().join("project");
    write(
        &project.join(".claude-mpm/configuration.yaml"),
        "monitoring:\n  port: 9003\n  host: 0.0.0.0\n  cors:\n    origins: [https://evil.example]\n",
    );
    let said = run_in(&home, &project, &["config", "--json"], &[]);
    let all: Value = serde_json::from_str(&said.out).unwrap();
    let of = |key: &str| all["values"].as_array().unwrap().iter().find(|value| value["key"] == key).unwrap().clone();
    assert_eq!(of("monitoring.port")["value"], 9003);
    assert!(of("monitoring.port")["origin"].as_str().unwrap().ends_with("project/.claude-mpm/configuration.yaml"));
    assert_eq!(
        (&of("monitoring.host")["value"], &of("monitoring.cors.origins")["value"]),
        (&"localhost".into(), &serde_json::json!([]))
    );
}

#[test]
fn config_set_changes_one_value_and_refuses_what_would_not_work() {
    let home = Home::new();
    let said = run(&home, &["config", "set", "monitoring.port", "9001"]);
    assert_eq!(said.code, 0, "{}", said.err);
    write(&file(&home), "# mine\nagents: [a]\nmonitoring:\n  port: 9001 # chosen\n");
    assert_eq!(run(&home, &["config", "set", "monitoring.cors.origins", "[https://dash.example.com]"]).code, 0);
    assert_eq!(run(&home, &["config", "set", "monitoring.port", "9002"]).code, 0);
    let expected =
        "# mine\nagents: [a]\nmonitoring:\n  port: 9002 # chosen\n  cors:\n    origins: [https://dash.example.com]\n";
    assert_eq!(std::fs::read_to_string(file(&home)).unwrap(), expected);
    for (key, value, says) in [
        ("monitoring.port", "70000", "is not changed"),
        ("monitoring.metrics.interval", "soon", "is not changed"),
        ("port", "1", "Did you mean monitoring.port?"),
        ("monitoring.prot", "1", "List all of them"),
    ] {
        let said = run(&home, &["config", "set", key, value]);
        assert_eq!((said.code, said.err.lines().count()), (2, 3), "{key}: {}", said.err);
        assert!(said.err.contains(says) || says == "is not changed", "{}", said.err);
    }
    assert_eq!(std::fs::read_to_string(file(&home)).unwrap(), expected, "nothing else happened");
}

#[test]
fn init_shows_first_and_then_does_and_doing_it_again_changes_nothing() {
    let home = Home::new();
    let project = home.path().join("project");
    std::fs::create_dir(&project).unwrap();
    let shown = run_in(&home, &project, &["init", "--dry-run"], &[]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("Would write") && shown.out.contains("Would have"), "{}", shown.out);
    assert!(!file(&home).exists() && std::fs::read_dir(&project).unwrap().next().is_none());

    let done = run_in(&home, &project, &["init", "--port", "8770"], &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    let settings = std::fs::read_to_string(project.join(".claude/settings.local.json")).unwrap();
    assert!(settings.contains("\"8770\""), "{settings}");
    assert!(home.path().join(".claude/commands/mpm-monitor.md").exists());
    let config = std::fs::read_to_string(file(&home)).unwrap();
    assert!(config.lines().skip(3).all(|line| line.starts_with("  # ")), "{config}");

    run_in(&home, &project, &["init", "--port", "8770"], &[]);
    assert_eq!(std::fs::read_to_string(project.join(".claude/settings.local.json")).unwrap(), settings);
    assert_eq!(std::fs::read_to_string(file(&home)).unwrap(), config);
    assert_eq!(run(&home, &["init", "--user"]).code, 0);
    assert!(home.path().join(".claude/settings.json").exists());
}

#[test]
fn doctor_names_what_is_broken_with_its_fix_and_mends_what_is_safe() {
    let home = Home::new();
    let checks = |arguments: &[&str]| {
        let said = json(&home, arguments);
        move |name: &str| {
            said["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap().clone()
        }
    };
    let before = checks(&["doctor", "--json"]);
    assert_eq!(
        (&before("Hooks")["state"], &before("Hooks")["fix"]),
        (&"broken".into(), &"claude-mpm hooks install".into())
    );
    assert_eq!(run(&home, &["doctor"]).code, 1);

    run(&home, &["hooks", "install"]);
    let monitor = home.monitor();
    let number = monitor.port.to_string();
    run(&home, &["config", "set", "monitoring.port", &number]);
    run(&home, &["hooks", "install", "--port", &number]);
    let well = checks(&["doctor", "--json"]);
    for name in ["Configuration", "Hooks", "Trust", "Monitor", "Meeting", "Clock", "Key", "Spool", "Stale files"] {
        assert_eq!(well(name)["state"], "ok", "{}", well(name));
    }
    assert!(
        run(&home, &["status"]).out.contains(&format!("✓ Monitor: http://localhost:{number} (PID {}, ", monitor.pid()))
    );

    // Three things at once: an old hook program, a key that others may read, a monitor that was killed.
    let key = home.path().join(".claude-mpm/keys/store.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(home.path().join(".claude-mpm/bin/claude-mpm-hook"), "old").unwrap();
    monitor.kill();
    let broken = checks(&["doctor", "--json"]);
    for (name, state) in [("Hooks", "broken"), ("Key", "broken"), ("Stale files", "warning"), ("Monitor", "warning")] {
        assert_eq!(broken(name)["state"], state, "{}", broken(name));
    }
    let fixed = run(&home, &["doctor", "--fix"]);
    for name in ["Hooks", "Key", "Stale files"] {
        assert!(fixed.out.contains(&format!("✓ Mended: {name}")), "{}", fixed.out);
    }
    let mended = checks(&["doctor", "--json"]);
    for name in ["Hooks", "Key", "Stale files"] {
        assert_eq!(mended(name)["state"], "ok", "{}", mended(name));
    }
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(&home, &["doctor"]).code, 0);
    assert_eq!(run(&home, &["status"]).code, 3);
}

#[test]
fn doctor_sees_a_hook_that_feeds_nobody_and_a_spool_that_waits() {
    let home = Home::new();
    let monitor = home.monitor();
    let other = if monitor.port == 8770 { 8771 } else { 8770 };
    run(&home, &["hooks", "install", "--port", &other.to_string()]);
    home.hook(other, br#"{"session_id":"s","hook_event_name":"SessionStart","source":"startup"}"#);
    let said = run(&home, &["doctor"]);
    assert!(
        said.out
            .contains(&format!("• Meeting: no hook that is seen from here feeds the monitor on port {}", monitor.port)),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains(&format!("wait for a monitor on port {other}\n    Fix: claude-mpm monitor start --port {other}")),
        "{}",
        said.out
    );
}

#[test]
fn the_service_file_is_one_that_systemd_accepts() {
    let home = Home::new();
    let shown = run(&home, &["monitor", "install-service", "--dry-run", "--port", "8770", "--name", "project1"]);
    let unit = home.path().join(".config/systemd/user/claude-mpm-monitor-project1.service");
    assert!(!unit.exists() && shown.out.starts_with(&format!("# {}\n[Unit]\n", unit.display())), "{}", shown.out);
    let done = run(&home, &["monitor", "install-service", "--port", "8770", "--name", "project1"]);
    assert_eq!(
        done.out,
        format!(
            "Wrote {}\nStart it now and at each login: systemctl --user enable --now claude-mpm-monitor-project1\n",
            unit.display()
        )
    );
    let text = std::fs::read_to_string(&unit).unwrap();
    let program = env!("CARGO_BIN_EXE_claude-mpm");
    assert!(
        text.contains(&format!("ExecStart={program} monitor start --foreground --port 8770 --name project1\n")),
        "{text}"
    );
    if let Some(analyze) = program_on_path("systemd-analyze") {
        let mut verify = std::process::Command::new(analyze);
        verify.args(["verify", "--user"]).arg(&unit).env("XDG_RUNTIME_DIR", home.path());
        let output = verify.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(run(&home, &["monitor", "install-service", "--uninstall", "--name", "project1"]).code, 0);
    assert!(!unit.exists());
}

#[test]
fn dashboards_options_are_the_guides() {
    let home = Home::new();
    let said = run(&home, &["dashboard", "--setup-only"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(file(&home).exists() && home.path().join(".claude-mpm/keys/store.key").exists());
    assert!(!home.path().join(".claude-mpm/monitor").exists(), "nothing was started");

    let monitor = home.monitor();
    let number = monitor.port.to_string();
    let opener = home.path().join("bin/xdg-open");
    write(&opener, "#!/bin/sh\necho \"$1\" >> \"$HOME/opened\"\n");
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", home.path().join("bin").display(), std::env::var("PATH").unwrap());
    for (arguments, page) in [
        (&["dashboard", "--port", &number][..], ""),
        (&["dashboard", "--port", &number, "--admin-only"][..], "/admin/"),
    ] {
        let said = run_in(&home, home.path(), arguments, &[("PATH", &path), ("DISPLAY", ":0")]);
        let url = format!("http://localhost:{number}");
        assert_eq!(
            said.out,
            format!("Monitor already running at {url}\nOpening browser to existing instance: {url}{page}\n"),
            "{}",
            said.err
        );
        crate::support::eventually("the browser was asked", || {
            let opened = std::fs::read_to_string(home.path().join("opened")).unwrap_or_default();
            opened.lines().any(|line| line == format!("{url}{page}")).then_some(())
        });
    }
    let said = run_in(
        &home,
        home.path(),
        &["dashboard", "--port", &number, "--no-browser"],
        &[("PATH", &path), ("DISPLAY", ":0")],
    );
    assert_eq!(said.out, format!("Monitor already running at http://localhost:{number}\n"));
}

#[test]
fn completions_and_the_manual_name_every_command() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&home, &["completions", shell]);
        assert!(said.code == 0 && said.out.contains("restart") && said.out.contains("dashboard-port"), "{shell}");
        if let Some(program) = program_on_path("bash").filter(|_| shell == "bash") {
            let script = home.path().join("completions.bash");
            std::fs::write(&script, &said.out).unwrap();
            assert!(std::process::Command::new(program).arg("-n").arg(&script).status().unwrap().success());
        }
    }
    let folder = home.path().join("man");
    assert_eq!(run(&home, &["man", folder.to_str().unwrap()]).code, 0);
    let pages: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    for page in [
        "claude-mpm.1",
        "claude-mpm-monitor.1",
        "claude-mpm-monitor-start.1",
        "claude-mpm-doctor.1",
        "claude-mpm-config-set.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{page} of {pages:?}");
    }
}

#[test]
fn every_commands_help_has_an_example_where_it_has_flags_to_combine() {
    let home = Home::new();
    for command in [
        &["monitor", "start"][..],
        &["monitor", "stop"][..],
        &["monitor", "restart"][..],
        &["monitor", "status"][..],
        &["monitor", "port"][..],
        &["monitor", "tail"][..],
        &["monitor", "find-port"][..],
        &["monitor", "test-connection"][..],
        &["monitor", "install-service"][..],
        &["doctor"][..],
        &["config"][..],
        &["init"][..],
        &["dashboard"][..],
        &["completions"][..],
    ] {
        let said = run(&home, &[command, &["--help"]].concat());
        let example = format!("  claude-mpm {}", command.join(" "));
        assert!(said.code == 0 && said.out.contains(&example), "{command:?}: {}", said.out);
    }
    assert_eq!(run(&home, &["monitor", "start", "--nonsense"]).code, 2);
}

#[test]
fn colours_come_on_a_terminal_alone_and_not_where_they_are_unwanted() {
    let home = Home::new();
    let _monitor = home.monitor();
    let Some(script) = program_on_path("script") else { return };
    let said = |environment: &[(&str, &str)]| {
        let command = home.program(&[]);
        let line = format!("'{}' monitor status --show-ports", env!("CARGO_BIN_EXE_claude-mpm"));
        let environment = environment.iter().copied().chain([("TERM", "xterm")]);
        let mut terminal = std::process::Command::new(&script);
        terminal
            .args(["-qec", &line, "/dev/null"])
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = terminal.envs(environment).stdin(std::process::Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said(&[]).contains("\u{1b}[32m✓\u{1b}[0m RUNNING"), "{:?}", said(&[]));
    let plain = said(&[("NO_COLOR", "1")]);
    assert!(plain.contains("✓ RUNNING") && !plain.contains('\u{1b}'), "{plain:?}");
    assert!(!run(&home, &["monitor", "status", "--show-ports"]).out.contains('\u{1b}'));
}
