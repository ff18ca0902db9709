//! A monitor in the background: it outlives its terminal, its log can be read, it is known by more than its number.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Home, eventually, try_request};

/// Ends what a test has started in the background.
struct Swept<'a>(&'a Home);

impl Drop for Swept<'_> {
    fn drop(&mut self) {
        let _ = self.0.program(&["monitor", "stop", "--force"]).output();
    }
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    let output = home.program(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn start(home: &Home) -> Value {
    json(home, &["monitor", "start", "--port", "0", "--no-dashboard", "--json"])
}

fn signal(pid: &Value, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid.as_u64().unwrap()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn health(port: u16) -> Option<Value> {
    serde_json::from_str(&try_request(port, "GET", "/health", &[], "")?.1).ok()
}

fn port(said: &Value) -> u16 {
    u16::try_from(said["port"].as_u64().unwrap()).unwrap()
}

#[test]
fn it_answers_when_start_returns_and_has_no_terminal() {
    let home = Home::new();
    let _swept = Swept(&home);
    let said = start(&home);
    assert_eq!(health(port(&said)).unwrap()["pid"], said["pid"]);

    let pid = said["pid"].as_u64().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let words: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let (session, terminal) = (words[3], words[4]);
    assert_eq!((session, terminal), (pid.to_string().as_str(), "0"), "a session of its own, and no terminal");
    let link = |number: u32| std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
    assert_eq!(link(0).to_str(), Some("/dev/null"));
    let log = std::path::PathBuf::from(said["log"].as_str().unwrap());
    assert_eq!((link(1), link(2)), (log.clone(), log));
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap().to_str(), Some("/"));
}

#[test]
fn the_documents_find_its_log_and_in_it_the_transport() {
    let home = Home::new();
    let _swept = Swept(&home);
    let said = start(&home);
    let secret = r#"{"namespace":"/log","event":"message","data":{"level":"ERROR","message":"a payload"}}"#;
    assert_eq!(try_request(port(&said), "POST", "/emit", &[], secret).unwrap().0, 200);
    home.program(&["monitor", "stop"]).output().unwrap();

    let logs = home.path().join(".claude-mpm/logs");
    let text = std::fs::read_to_string(logs.join("latest.log")).unwrap();
    for name in ["socketio_server.log", "mpm.log", &format!("monitor-{}.log", port(&said))] {
        assert_eq!(std::fs::read_to_string(logs.join(name)).unwrap(), text, "{name}");
    }
    let transport: Vec<&str> = text.lines().filter(|line| line.to_lowercase().contains("socketio")).collect();
    assert!(transport.iter().any(|line| line.contains(&format!("port {}", port(&said)))), "{text}");
    assert!(!text.contains("a payload"), "{text}");
}

#[test]
fn a_file_that_a_crash_left_behind_is_seen_through() {
    let home = Home::new();
    let _swept = Swept(&home);
    let said = start(&home);
    signal(&said["pid"], Signal::KILL);
    eventually("it is gone", || health(port(&said)).is_none().then_some(()));

    // Its number belongs to somebody else now.
    let mut bystander = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let file = home.path().join(format!(".claude-mpm/monitor/{}/instance.json", port(&said)));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&said["pid"].to_string(), &bystander.id().to_string())).unwrap();

    let stop = home.program(&["monitor", "stop", "--port", &port(&said).to_string(), "--force"]).output().unwrap();
    assert_eq!(stop.status.code(), Some(3));
    assert!(bystander.try_wait().unwrap().is_none(), "the bystander lives");
    let number = port(&said).to_string();
    let again = json(&home, &["monitor", "start", "--port", &number, "--no-dashboard", "--json"]);
    assert_eq!((&again["port"], &again["reused"]), (&said["port"], &false.into()));
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn one_that_does_not_answer_is_ended_by_force_alone() {
    let home = Home::new();
    let _swept = Swept(&home);
    let said = start(&home);
    signal(&said["pid"], Signal::STOP);
    let number = port(&said).to_string();

    let refused = home.program(&["monitor", "start", "--port", &number, "--no-dashboard"]).output().unwrap();
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        format!(
            "Error: Port {number} is already in use by another process\nReason: it is a monitor of yours that does not answer\nSuggestion: Use --force to end it\n"
        )
    );
    let forced = json(&home, &["monitor", "start", "--port", &number, "--no-dashboard", "--force", "--json"]);
    assert_eq!((&forced["port"], &forced["reused"]), (&said["port"], &false.into()));
    assert_ne!(forced["pid"], said["pid"]);
}

#[test]
fn supervision_is_added_by_a_restart_kept_by_the_next_and_not_claimed_before() {
    let home = Home::new();
    let _swept = Swept(&home);
    let said = json(&home, &["monitor", "start", "--port", "0", "--no-dashboard", "--json"]);
    let number = port(&said).to_string();
    let again = json(&home, &["monitor", "start", "--port", &number, "--supervise", "--json"]);
    let note = again["notes"][0].as_str().unwrap();
    assert!(again["reused"] == true && note.contains("runs without supervision"), "{again}");
    assert!(note.contains(&format!("claude-mpm monitor restart --port {number} --supervise")), "{note}");
    let supervised = || json(&home, &["monitor", "status", "--json"])["servers"][0]["supervised"].clone();
    assert_eq!(supervised(), false);
    json(&home, &["monitor", "restart", "--port", &number, "--supervise", "--json"]);
    assert_eq!(supervised(), true);
    json(&home, &["monitor", "restart", "--json"]);
    assert_eq!(supervised(), true);
    signal(&json(&home, &["monitor", "status", "--json"])["servers"][0]["pid"], Signal::KILL);
    eventually("it comes back", || health(port(&said)));
}

#[test]
fn a_supervised_monitor_comes_back_after_a_crash_and_not_after_stop() {
    let home = Home::new();
    let _swept = Swept(&home);
    let said = json(&home, &["monitor", "start", "--port", "0", "--no-dashboard", "--supervise", "--json"]);
    let quiet = home.program(&["monitor", "status"]).output().unwrap();
    assert!(String::from_utf8(quiet.stdout).unwrap().contains("  - Supervised: yes, it has not crashed\n"));

    let mut pid = said["pid"].clone();
    for crash in 1..=2 {
        signal(&pid, Signal::KILL);
        let back = eventually("it is back", || health(port(&said)).filter(|health| health["pid"] != pid));
        pid = back["pid"].clone();
        eventually("status tells", || {
            let status = json(&home, &["monitor", "status", "--json"]);
            (status["servers"][0]["restarts"] == crash).then_some(())
        });
    }
    let told = home.program(&["monitor", "status"]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("  - Supervised: started again 2 times after a crash\n"), "{told}");

    for force in [true, false] {
        let file = home.path().join(format!(".claude-mpm/monitor/{}/instance.json", port(&said)));
        let known: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let supervisor = known["plan"]["once"]["supervisor"]["pid"].as_u64().unwrap();
        let arguments: &[&str] = if force { &["monitor", "stop", "--force"] } else { &["monitor", "stop"] };
        assert!(home.program(arguments).output().unwrap().status.success());
        eventually("the supervisor ends, too", || {
            let stat = std::fs::read_to_string(format!("/proc/{supervisor}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
        assert!(health(port(&said)).is_none());
        if force {
            let number = port(&said).to_string();
            json(&home, &["monitor", "start", "--port", &number, "--no-dashboard", "--supervise", "--json"]);
        }
    }
}
