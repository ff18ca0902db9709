//! Which spool a hook writes to, and how large it may get.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Where the monitor listens if nobody says otherwise.
const PORT_DEFAULT: u16 = 8_765;

/// A hundred thousand events while no server runs.
const CAP_BYTES_DEFAULT: u64 = 256 << 20;

/// A spool folder and its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `~/.claude-mpm/spool/<port>`.
    pub dir: PathBuf,
    /// Largest size of the segment that hooks append to, in bytes.
    pub cap_bytes: u64,
}

impl Place {
    /// Finds it; `None` without a home.
    ///
    /// The port: `--port`, else `CLAUDE_MPM_SOCKETIO_PORT`, else `SOCKETIO_PORT`, else 8765; what is no port counts as
    /// not said. The folder: `--home` (which the installer writes, since a hook does not see its environment), else
    /// `CLAUDE_MPM_HOME`, else `.claude-mpm` in `HOME`. A hook runs in any folder, so a home that is no absolute path counts
    /// as not said.
    pub fn find(arguments: &[OsString], environment: &dyn Fn(&str) -> Option<OsString>) -> Option<Place> {
        let said = |name: &str| environment(name).filter(|value| !value.is_empty());
        let port = argument(arguments, "--port")
            .and_then(port)
            .or_else(|| said("CLAUDE_MPM_SOCKETIO_PORT").as_deref().and_then(port))
            .or_else(|| said("SOCKETIO_PORT").as_deref().and_then(port))
            .unwrap_or(PORT_DEFAULT);
        let cap_bytes = argument(arguments, "--cap-bytes").and_then(|text| text.to_str()?.trim().parse().ok());
        let absolute = |home: OsString| Some(PathBuf::from(home)).filter(|home| home.is_absolute());
        let home = argument(arguments, "--home").map(OsStr::to_owned).and_then(absolute);
        let home = match home.or_else(|| said("CLAUDE_MPM_HOME").and_then(absolute)) {
            Some(home) => home,
            None => PathBuf::from(said("HOME")?).join(".claude-mpm"),
        };
        let dir = home.join("spool").join(port.to_string());
        Some(Place { dir, cap_bytes: cap_bytes.unwrap_or(CAP_BYTES_DEFAULT) })
    }
}

/// The value of `--name value` or `--name=value`; the last one counts.
fn argument<'a>(arguments: &'a [OsString], name: &str) -> Option<&'a OsStr> {
    let mut value = None;
    for (at, argument) in arguments.iter().enumerate() {
        if argument == name {
            value = arguments.get(at + 1).map(OsString::as_os_str);
        } else if let Some(joined) = argument.to_str().and_then(|text| text.strip_prefix(name)?.strip_prefix('=')) {
            value = Some(OsStr::new(joined));
        }
    }
    value
}

fn port(text: &OsStr) -> Option<u16> {
    text.to_str()?.trim().parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(arguments: &[&str], environment: &[(&str, &str)]) -> Option<(String, u64)> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        let value = |name: &str| environment.iter().find(|(of, _)| *of == name).map(|(_, value)| OsString::from(value));
        Place::find(&arguments, &value).map(|place| (place.dir.display().to_string(), place.cap_bytes))
    }

    #[test]
    fn the_first_valid_port_counts() {
        let check = |arguments: &[&str], environment: &[(&str, &str)], port: &str| {
            let environment = [&[("HOME", "/h")], environment].concat();
            assert_eq!(find(arguments, &environment).unwrap().0, format!("/h/.claude-mpm/spool/{port}"));
        };
        let both = [("CLAUDE_MPM_SOCKETIO_PORT", "8770"), ("SOCKETIO_PORT", "8771")];
        check(&[], &[], "8765");
        check(&[], &both, "8770");
        check(&["--port", "8772"], &both, "8772");
        check(&["--port=8773"], &both, "8773");
        check(&["--port", "8772", "--port", "8774"], &both, "8774");
        for wrong in ["", "x", "0", "65536", "-1", "8765.5"] {
            check(&["--port", wrong], &both, "8770");
            check(&[], &[("CLAUDE_MPM_SOCKETIO_PORT", wrong), ("SOCKETIO_PORT", "8771")], "8771");
            check(&[], &[("SOCKETIO_PORT", wrong)], "8765");
        }
        check(&["--port"], &both, "8770");
        check(&["--unknown", "--portal=1"], &[], "8765");
    }

    #[test]
    fn the_cap_is_said_or_built_in() {
        let home = [("HOME", "/h")];
        assert_eq!(find(&[], &home).unwrap().1, 256 << 20);
        assert_eq!(find(&["--cap-bytes", "1000"], &home).unwrap().1, 1_000);
        assert_eq!(find(&["--cap-bytes=many"], &home).unwrap().1, 256 << 20);
    }

    #[test]
    fn the_folder_can_be_moved_and_without_a_home_there_is_none() {
        assert_eq!(find(&[], &[("CLAUDE_MPM_HOME", "/m"), ("HOME", "/h")]).unwrap().0, "/m/spool/8765");
        assert_eq!(find(&[], &[("CLAUDE_MPM_HOME", ""), ("HOME", "/h")]).unwrap().0, "/h/.claude-mpm/spool/8765");
        assert_eq!(find(&[], &[("CLAUDE_MPM_HOME", "m"), ("HOME", "/h")]).unwrap().0, "/h/.claude-mpm/spool/8765");
        assert_eq!(find(&["--home", "a"], &[("CLAUDE_MPM_HOME", "/m")]).unwrap().0, "/m/spool/8765");
        assert_eq!(find(&["--home", "/a"], &[("CLAUDE_MPM_HOME", "/m")]).unwrap().0, "/a/spool/8765");
        assert_eq!(find(&[], &[]), None);
        assert_eq!(find(&[], &[("HOME", "")]), None);
    }
}
