//! An import is whole or nothing, and what came of it is told in words and in JSON.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::store::{days_of_events, free_port, import};
use crate::support::Home;

#[test]
fn an_import_that_fails_leaves_nothing_behind_and_says_what_the_order_is() {
    let home = Home::new();
    let port = free_port();
    let lines = days_of_events(2);
    let backwards: String = lines.lines().rev().map(|line| format!("{line}\n")).collect();
    let broken = format!("{lines}{{\n");
    let folder = home.path().join(format!(".claude-mpm/monitor/{port}"));
    for (text, says) in [
        (&backwards, "line 2 of -: its number 199 comes after 200, and lines must be in the order of seq"),
        (&broken, "line 201 of -: "),
    ] {
        let mut command = home.program(&["store", "--port", &port.to_string(), "import", "-"]);
        let mut process = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may end before it has read all.
        let _ = process.stdin.take().unwrap().write_all(text.as_bytes());
        let ended = process.wait_with_output().unwrap();
        let error = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), error.lines().count()), (Some(1), 3), "{error}");
        assert!(error.contains(says) && error.contains("nothing was kept"), "{error}");
        assert!(!folder.exists(), "nothing of it is left");
    }
    // What somebody else makes there while nothing was stored yet is not the import's to remove.
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = home.program(&["store", "--port", &port.to_string(), "import", "-"]);
    let mut process = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::fs::write(folder.join("of-another"), "").unwrap();
    let _ = process.stdin.take().unwrap().write_all(backwards.as_bytes());
    assert_eq!(process.wait().unwrap().code(), Some(1));
    assert!(folder.join("of-another").exists());
    import(&home, port, &lines);
    let said = |arguments: &[&str]| {
        let output = home.program(&[&["store", "--port", &port.to_string()], arguments].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, info) = said(&["info", "--json"]);
    let info: Value = serde_json::from_str(&info).unwrap();
    let events: u64 = info["days"].as_array().unwrap().iter().map(|day| day["events"].as_u64().unwrap()).sum();
    assert_eq!((code, events, &info["days"][0]["first"]), (Some(0), 200, &1.into()));
    let (code, verified) = said(&["verify", "--json"]);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!((code, &verified["whole"], &verified["faults"]), (Some(0), &true.into(), &json!([])));

    std::fs::rename(home.path().join(".claude-mpm/keys"), home.path().join(".claude-mpm/elsewhere")).unwrap();
    let (_, info) = said(&["info"]);
    assert_eq!(info.matches("cannot be read").count(), 2, "{info}");
    let reasons: Vec<&str> = info.lines().filter(|line| line.starts_with("✗ ")).collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|line| line.contains("key")), "{info}");
    assert!(info.lines().filter(|line| !line.starts_with("✗ ")).all(|line| line.len() < 120), "columns hold: {info}");
}
