//! The proxy configurations that the guide to operation prints work as they stand: TLS, a path, WebSocket, polling, streams.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{self, Home, Monitor, eventually};

const NAME: &str = "monitor.test";

/// A proxy; ended when the test is over.
struct Proxy {
    process: Child,
    port: u16,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx ends its workers on this, and only on this.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// A monitor that trusts a proxy on this machine, below a path if one is said.
fn monitor(home: &Home, prefix: &str) -> Monitor {
    let folder = home.path().join(".claude-mpm");
    std::fs::create_dir_all(&folder).unwrap();
    let mut text = format!("monitoring:\n  allowed_hosts: [{NAME}]\n  trusted_proxies: [127.0.0.1]\n");
    if !prefix.is_empty() {
        text.push_str(&format!("  path_prefix: {prefix}\n"));
    }
    std::fs::write(folder.join("configuration.yaml"), text).unwrap();
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "open-sesame");
    Monitor::start(command)
}

fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let (certificate, key) = (folder.join("proxy.crt"), folder.join("proxy.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

/// A port that is free now, for programs that cannot choose one and say so.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn printed(name: &str) -> String {
    std::fs::read_to_string(support::repository().join("docs/proxy").join(name)).unwrap()
}

/// Starts a proxy with `configure`d files in a folder of its own, again with another port if somebody was faster.
fn start(program: &Path, folder: &Path, configure: impl Fn(u16) -> Vec<String>) -> Proxy {
    for _ in 0..5 {
        let port = free_port();
        let arguments = configure(port);
        let log = std::fs::File::create(folder.join("proxy.log")).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut proxy = Proxy { process, port };
        let listens = eventually("the proxy listens or ends", || {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(true);
            }
            proxy.process.try_wait().unwrap().map(|_| false)
        });
        if listens {
            return proxy;
        }
    }
    panic!("{}", std::fs::read_to_string(folder.join("proxy.log")).unwrap());
}

fn nginx(program: &Path, folder: &Path, monitor: &Monitor, path: &str) -> Proxy {
    let (certificate, key) = certificate(folder);
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let group = String::from_utf8(Command::new("id").arg("-gn").output().unwrap().stdout).unwrap();
    let at = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {at}/{what};"))
        .collect();
    start(program, folder, |port| {
        let snippet = printed("nginx.conf")
            .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
            .replace("monitor.example.com", NAME)
            .replace("/etc/ssl/certs/monitor.pem", certificate.to_str().unwrap())
            .replace("/etc/ssl/private/monitor.key", key.to_str().unwrap())
            .replace("127.0.0.1:8765", &format!("127.0.0.1:{}", monitor.port))
            .replace("location / {", &format!("location {path} {{"));
        let whole = format!(
            "user {} {}; daemon off; pid {at}/pid; error_log {at}/error.log; worker_processes 1; events {{}}\n\
             http {{ access_log off; {temporary}\n{snippet}\n}}\n",
            user.trim(),
            group.trim()
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, whole).unwrap();
        ["-p", folder.to_str().unwrap(), "-e", "error.log", "-c", file.to_str().unwrap()].map(str::to_owned).to_vec()
    })
}

fn caddy(program: &Path, folder: &Path, monitor: &Monitor, path: &str) -> Proxy {
    let (certificate, key) = certificate(folder);
    let at = folder.display();
    start(program, folder, |port| {
        let snippet = printed("Caddyfile")
            .replace(
                "\nmonitor.example.com {",
                &format!("\n{NAME}:{port} {{\n\ttls {} {}", certificate.display(), key.display()),
            )
            .replace(
                "\n\treverse_proxy 127.0.0.1:8765",
                &format!("\n\treverse_proxy {path} 127.0.0.1:{}", monitor.port),
            );
        let whole = format!(
            "{{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tstorage file_system {at}/store\n\t\
             default_bind 127.0.0.1\n}}\n{snippet}"
        );
        let file = folder.join("Caddyfile");
        std::fs::write(&file, whole).unwrap();
        ["run", "--config", file.to_str().unwrap(), "--adapter", "caddyfile"].map(str::to_owned).to_vec()
    })
}

/// Eighteen promises, from a client that knows the certificate and comes from 127.0.0.2.
fn all_hold(proxy: &Proxy, folder: &Path, path: &str) {
    let url = format!("https://{NAME}:{}{path}", proxy.port);
    let Some(mut client) = support::node("through-proxy.mjs", &["--url", &url, "--token", "open-sesame"]) else {
        return;
    };
    let checked = client.env("NODE_EXTRA_CA_CERTS", folder.join("proxy.crt")).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success() && said.contains("all hold"),
        "{said}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

#[test]
fn nginx_passes_everything_on_at_the_root_and_below_a_path() {
    let Some(program) = support::program_on_path("nginx") else { return };
    for (prefix, path) in [("", "/"), ("/monitor", "/monitor/")] {
        let home = Home::new();
        let monitor = monitor(&home, prefix);
        let proxy = nginx(&program, home.path(), &monitor, path);
        all_hold(&proxy, home.path(), path);
    }
}

#[test]
fn caddy_passes_everything_on_at_the_root_and_below_a_path() {
    let Some(program) = support::program_on_path("caddy") else { return };
    for (prefix, matched, path) in [("", "", "/"), ("/monitor", "/monitor*", "/monitor/")] {
        let home = Home::new();
        let monitor = monitor(&home, prefix);
        let proxy = caddy(&program, home.path(), &monitor, matched);
        all_hold(&proxy, home.path(), path);
    }
}
