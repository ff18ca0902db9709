//! `claude-mpm monitor hash-password`: what `monitoring.admin.password_hash` wants.

use std::io::{BufRead, IsTerminal};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::report::{self, Failure};

/// The most that bcrypt looks at, in bytes.
const PASSWORD_BYTES_MAX: usize = 72;

/// Reads a password, from a person or a pipe, and prints its hash.
pub(crate) fn run() -> Result<(), Failure> {
    let refused = |reason: String| Failure::new("No password was hashed", reason, "Write one line of 1 to 72 bytes");
    let is_person = std::io::stdin().is_terminal();
    let mut password = String::new();
    {
        let _unseen = is_person.then(Unseen::begin);
        if is_person {
            report::aside("Password: ");
        }
        std::io::stdin().lock().read_line(&mut password).map_err(|error| refused(error.to_string()))?;
    }
    if is_person {
        report::aside("\n");
    }
    let password = password.trim_end_matches(['\r', '\n']);
    match password.len() {
        0 => return Err(refused("it is empty".to_owned())),
        bytes if bytes > PASSWORD_BYTES_MAX => {
            return Err(refused(format!("it has {bytes} bytes, and bcrypt looks at the first {PASSWORD_BYTES_MAX}")));
        }
        _ => {}
    }
    report::line(server::hash_password(password).map_err(refused)?);
    Ok(())
}

/// Keeps what is typed off the screen until it is dropped.
struct Unseen(Option<Termios>);

impl Unseen {
    fn begin() -> Unseen {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            // A terminal that cannot shows it; that is no reason to refuse.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet);
        }
        Unseen(before)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}
