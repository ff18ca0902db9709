//! An agent in a terminal of ours inside a person's: every key, size and signal, and programs of the whole screen.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::launch::{is_over, launched, of};
use crate::support::{self, Home, eventually};

/// A person's terminal with the launcher in it.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    shown: Receiver<Vec<u8>>,
    seen: String,
    child: Box<dyn portable_pty::Child + Send + Sync>,
}

impl Terminal {
    pub(crate) fn open(command: &Command, rows: u16, cols: u16) -> Terminal {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut built = CommandBuilder::new(command.get_program());
        built.args(command.get_args());
        built.env_clear();
        for (name, value) in command.get_envs() {
            built.env(name, value.unwrap());
        }
        built.env("TERM", "xterm-256color");
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let child = pair.slave.spawn_command(built).unwrap();
        let (pieces, shown) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length) = reader.read(&mut piece) {
                if length == 0 || pieces.send(piece[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { master: pair.master, keys, shown, seen: String::new(), child }
    }

    /// How it ended, once it has.
    pub(crate) fn exit_code(&mut self) -> u32 {
        eventually("the agent ends", || self.child.try_wait().unwrap()).exit_code()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until this is on the screen, and forgets what was there up to it.
    pub(crate) fn shows(&mut self, text: &str) {
        assert!(self.has(text, support::DEADLINE), "{text:?} is not in {:?}", self.seen);
    }

    /// The same, and whether it came within `time`.
    pub(crate) fn has(&mut self, text: &str, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(piece) = self.shown.recv_timeout(left) else { return false };
            self.seen.push_str(&String::from_utf8_lossy(&piece));
        }
        let end = self.seen.find(text).map_or(0, |at| at + text.len());
        self.seen.drain(..end);
        true
    }
}

#[test]
fn in_a_terminal_every_key_size_and_signal_reaches_the_agent() {
    let home = Home::new();
    let monitor = home.monitor();
    let command = launched(&home, &monitor, "subprocess", "bash", &["--norc", "-i"]);
    let mut terminal = Terminal::open(&command, 33, 101);
    // What is typed is echoed: only what runs joins the halves.
    terminal.press("PS1='rea''dy> '\r");
    terminal.shows("ready> ");
    terminal.press("stty size\r");
    terminal.shows("33 101");
    terminal.master.resize(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 }).unwrap();
    eventually("the new size", || {
        terminal.press("stty size\r");
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            if let Ok(piece) = terminal.shown.recv_timeout(Duration::from_millis(50)) {
                terminal.seen.push_str(&String::from_utf8_lossy(&piece));
            }
        }
        terminal.seen.contains("40 120").then_some(())
    });
    // What was asked too often is answered before this.
    terminal.press("echo syn''ced\r");
    terminal.shows("synced");
    terminal.shows("ready> ");
    // Ctrl-C ends what runs, and nothing else.
    terminal.press("echo be''gun; sleep 60; echo not seen\r");
    terminal.shows("begun");
    // A shell that has not yet put the command in front takes the key for itself, and goes on.
    eventually("the prompt is back", || {
        terminal.press("\u{3}");
        terminal.has("ready> ", Duration::from_secs(1)).then_some(())
    });
    // Ctrl-Z belongs to the shell inside.
    terminal.press("echo aga''in; sleep 60\r");
    terminal.shows("again");
    eventually("it is stopped", || {
        terminal.press("\u{1a}");
        terminal.has("Stopped", Duration::from_secs(1)).then_some(())
    });
    terminal.press("kill %1; printf '\\033[32mgreen\\033[0m tty %s\\n' \"$(tty | cut -c1-8)\"\r");
    terminal.shows("\u{1b}[32mgreen\u{1b}[0m tty /dev/pts");
    terminal.press("exit 9\r");
    assert_eq!(terminal.exit_code(), 9);

    let events = monitor.history_when(is_over);
    let told: String =
        of(&events, "/claude", "output").iter().filter_map(|event| event["data"]["content"].as_str()).collect();
    assert!(told.contains("green tty /dev/pts") && !told.contains('\u{1b}'), "{told:?}");
    assert_eq!(of(&events, "/claude", "output")[0]["data"]["stream"], "terminal");
    assert_eq!(monitor.get("/api/v1/sessions")["sessions"][0]["launch_method"], "subprocess");
}

#[test]
fn programs_of_the_whole_screen_work_as_without_us() {
    let home = Home::new();
    let monitor = home.monitor();
    let text: String = (1..=300).map(|line| format!("line {line}\n")).collect();
    let file = home.path().join("text");
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();

    let mut runs = 0;
    if support::program_on_path("less").is_some() {
        runs += 1;
        let mut terminal = Terminal::open(&launched(&home, &monitor, "subprocess", "less", &[path]), 24, 80);
        terminal.shows("\u{1b}[?1049h");
        terminal.shows("line 22");
        terminal.press("G");
        terminal.shows("line 300");
        terminal.master.resize(PtySize { rows: 50, cols: 80, pixel_width: 0, pixel_height: 0 }).unwrap();
        // Keys that come while it learns of its new size are lost on it, with us or without.
        eventually("the first page, and longer", || {
            terminal.press("g");
            terminal.has("line 45\r\n", Duration::from_secs(1)).then_some(())
        });
        terminal.press("q");
        terminal.shows("\u{1b}[?1049l");
        assert_eq!(terminal.exit_code(), 0);
    }
    if support::program_on_path("vi").is_some() {
        runs += 1;
        let mut terminal =
            Terminal::open(&launched(&home, &monitor, "subprocess", "vi", &["-u", "NONE", path]), 24, 80);
        terminal.shows("line 20");
        terminal.press("Gohello");
        terminal.shows("hello");
        // An Escape with a key right behind it would be another key.
        terminal.press("\u{1b}");
        eventually("it is written", || {
            terminal.has("a pause", Duration::from_millis(300));
            terminal.press(":w\r");
            terminal.has("written", Duration::from_secs(2)).then_some(())
        });
        // Ctrl-C is vi's: it says how to quit.
        terminal.press("\u{3}");
        terminal.shows(":q");
        eventually("it ends", || {
            terminal.press(":q\r");
            terminal.has("nothing more", Duration::from_secs(1));
            terminal.child.try_wait().unwrap()
        });
        assert_eq!(terminal.exit_code(), 0);
        assert!(std::fs::read_to_string(&file).unwrap().ends_with("line 300\nhello\n"));
    }
    let told = monitor.history_when(|events| of(events, "/session", "end").len() == runs);
    assert!(
        of(&told, "/claude", "output").iter().all(|event| !event["data"]["content"].to_string().contains("\\u001b"))
    );
}
