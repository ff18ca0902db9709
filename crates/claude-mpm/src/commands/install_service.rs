//! `claude-mpm monitor install-service`: the file that lets systemd or launchd start the monitor when its user logs in.

use std::path::{Path, PathBuf};

use crate::cli::{self, InstallServiceArgs};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// Why nothing came of it.
const FAILED: &str = "The service was not changed";

/// Runs it. The service manager itself is not touched: its own commands are named.
pub(crate) fn run(options: &InstallServiceArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let is_mac = cfg!(target_os = "macos");
    let program =
        std::env::current_exe().map_err(|error| Failure::new(FAILED, error, "Call the program by its whole path"))?;
    let label = options
        .name
        .as_ref()
        .map_or_else(|| "claude-mpm-monitor".to_owned(), |name| format!("claude-mpm-monitor-{name}"));
    // A service has one port, and goes to no other.
    let port = match (options.port, &options.name) {
        (None, None) => Some(cli::port(None, &Settings::load(&home)?)),
        (port, _) => port,
    };
    let mut arguments: Vec<String> = ["monitor", "start", "--foreground"].map(str::to_owned).to_vec();
    arguments.extend(port.into_iter().flat_map(|port| ["--port".to_owned(), port.to_string()]));
    arguments.extend(options.name.iter().flat_map(|name| ["--name".to_owned(), name.clone()]));
    let (path, text) = if is_mac {
        (agents()?.join(format!("{label}.plist")), plist(&label, &program, &arguments, &home))
    } else {
        (units()?.join(format!("{label}.service")), unit(&program, &arguments, &home))
    };
    if options.dry_run {
        report::line(format_args!("# {}\n{}", path.display(), text.trim_end()));
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Failure::new(FAILED, format!("{}: {error}", path.display()), "Check who owns the folder")
    };
    if options.uninstall {
        match std::fs::remove_file(&path) {
            Ok(()) => report::line(format_args!("Removed {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                report::line(format_args!("{} is not there", path.display()));
            }
            Err(error) => return Err(failed(error)),
        }
        report::line(if is_mac {
            format!("If it runs: launchctl bootout gui/$(id -u)/{label}")
        } else {
            format!("If it runs: systemctl --user disable --now {label}")
        });
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text.as_bytes())
    };
    write().map_err(failed)?;
    report::line(format_args!("Wrote {}", path.display()));
    report::line(if is_mac {
        format!("Start it now and at each login: launchctl bootstrap gui/$(id -u) {}", path.display())
    } else {
        format!("Start it now and at each login: systemctl --user enable --now {label}")
    });
    Ok(())
}

fn folder(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    said(variable)
        .or_else(|| Some(said("HOME")?.join(below_home)))
        .ok_or_else(|| Failure::new(FAILED, "HOME is not set", "Set HOME to your home directory"))
}

fn units() -> Result<PathBuf, Failure> {
    Ok(folder("XDG_CONFIG_HOME", ".config")?.join("systemd/user"))
}

fn agents() -> Result<PathBuf, Failure> {
    folder("CLAUDE_MPM_LAUNCH_AGENTS", "Library/LaunchAgents")
}

/// The token, if there is one, comes from a file that its user alone reads, and not from this one.
fn unit(program: &Path, arguments: &[String], home: &Home) -> String {
    let words: Vec<String> = std::iter::once(program.display().to_string())
        .chain(arguments.iter().cloned())
        .map(|word| quoted(&word))
        .collect();
    format!(
        "[Unit]\nDescription=Claude MPM monitor: watches Claude Code sessions\n\n\
         [Service]\nExecStart={}\nEnvironment={}\nEnvironmentFile=-{}\nRestart=on-failure\nRestartSec=1\nTimeoutStopSec=30\n\n\
         [Install]\nWantedBy=default.target\n",
        words.join(" "),
        quoted(&format!("CLAUDE_MPM_HOME={}", home.path().display())),
        home.path().join("monitor.env").display().to_string().replace('%', "%%")
    )
}

/// A word as systemd reads it: quoted where it has to be, with its specifiers and variables written out.
fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let is_plain =
        !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./=:@%+,$".contains(letter));
    if is_plain { word } else { format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")) }
}

fn plist(label: &str, program: &Path, arguments: &[String], home: &Home) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let words: String = std::iter::once(program.display().to_string())
        .chain(arguments.iter().cloned())
        .map(|word| format!("    <string>{}</string>\n", escaped(&word)))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n  <key>Label</key>\n  <string>{}</string>\n  <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n  \
         <key>EnvironmentVariables</key>\n  <dict>\n    <key>CLAUDE_MPM_HOME</key>\n    <string>{}</string>\n  </dict>\n  \
         <key>RunAtLoad</key>\n  <true/>\n  <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n</dict>\n</plist>\n",
        escaped(label),
        escaped(&home.path().display().to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_meaning_for_systemd_are_written_out() {
        assert_eq!(quoted("/usr/bin/claude-mpm"), "/usr/bin/claude-mpm");
        assert_eq!(quoted("/home/a b/100%/$x\"y"), "\"/home/a b/100%%/$$x\\\"y\"");
    }

    #[test]
    fn launchds_file_is_xml_whatever_the_path() {
        let home: Home = serde_json::from_str("\"/Users/a&b/.claude-mpm\"").unwrap();
        let text = plist("claude-mpm-monitor", Path::new("/a<b>/claude-mpm"), &["monitor".to_owned()], &home);
        assert!(text.contains("<string>/a&lt;b&gt;/claude-mpm</string>") && text.contains("/Users/a&amp;b/"), "{text}");
    }
}
