//! Every key of `monitoring:`, with its default and what it is for: the one list that checks, shows and documents them.

/// A key.
pub(crate) struct Key {
    /// Below `monitoring`, with dots.
    pub(crate) path: &'static str,
    /// As YAML.
    pub(crate) default: &'static str,
    /// In a few words.
    pub(crate) what: &'static str,
}

const fn key(path: &'static str, default: &'static str, what: &'static str) -> Key {
    Key { path, default, what }
}

/// All of them.
pub(crate) const KEYS: [Key; 26] = [
    key("enabled", "false", "start a monitor beside an agent"),
    key("port", "8765", "where the monitor listens"),
    key("host", "localhost", "on which address"),
    key("websocket.enabled", "true", "speak WebSocket: the raw API, and that transport of Socket.IO"),
    key("websocket.max_connections", "10000", "live clients at a time"),
    key("metrics.enabled", "true", "tell figures every so often"),
    key("metrics.interval", "5", "how often, in seconds"),
    key("logging.level", "INFO", "DEBUG, INFO, WARNING or ERROR; a terminal shows warnings if it is not set"),
    key("cors.localhost", "true", "let web pages of this machine connect"),
    key("cors.origins", "[]", "let these other origins connect, such as https://dash.example.com"),
    key("allowed_hosts", "[]", "further host names under which it may be asked for"),
    key("trusted_proxies", "[]", "addresses or networks of proxies whose headers are believed"),
    key("path_prefix", "\"\"", "below which path a proxy serves it, such as /monitor"),
    key("privacy.file_contents", "on_request", "never, on_request or always"),
    key("transcripts", "true", "read the sessions' transcripts, for tokens, cost and context"),
    key("prices", "{}", "dollars for a million tokens, by the beginnings of models' names"),
    key("store.encrypted", "true", "encrypt what is stored"),
    key("store.keep_days", "null", "days of history to keep; all if it is not set"),
    key("store.keep_gb", "null", "how large the history may become, in gigabytes"),
    key("tls.cert", "null", "a certificate chain (PEM)"),
    key("tls.key", "null", "its private key (PEM)"),
    key("admin.user", "null", "who may use the Admin UI"),
    key("admin.password_hash", "null", "the hash of the password: claude-mpm monitor hash-password"),
    key("admin.mode", "development", "development or production"),
    key("admin.read_only", "false", "let admins only watch"),
    key("reclaim", "[the documents' scripts]", "scripts that may be ended to get a port"),
];

/// What a path below `monitoring` takes, in words: a value for a key, and keys for a section. `None` for what means nothing.
pub(crate) fn takes(path: &str) -> Option<String> {
    let words = match path {
        "enabled" | "websocket.enabled" | "metrics.enabled" | "cors.localhost" | "transcripts" | "store.encrypted"
        | "admin.read_only" => "true or false",
        "port" => "a port, from 1 to 65535",
        "host" => "an address or a name of this machine, such as localhost or 0.0.0.0",
        "websocket.max_connections" => {
            "a whole number, and at least one connection (websocket.enabled: false for none)"
        }
        "metrics.interval" => "from 0.5 to 86400 seconds",
        "logging.level" => "DEBUG, INFO, WARNING or ERROR",
        "cors.origins" => "a list of origins, such as [https://example.com, http://example.com:3000]",
        "allowed_hosts" => "a list of host names, such as [monitor.example.com]",
        "trusted_proxies" => "a list of addresses and networks, such as [127.0.0.1, 10.0.0.0/8]",
        "path_prefix" => "a path, such as /monitor",
        "privacy.file_contents" => "never, on_request or always",
        "prices" => "models with dollars for a million tokens, as docs/monitor.md shows them",
        "store.keep_days" => "a whole number of days, from 1 to 365000",
        "store.keep_gb" => "more than 0 gigabytes",
        "tls.cert" | "tls.key" => "the path of a PEM file",
        "admin.user" => "a name",
        "admin.password_hash" => "what claude-mpm monitor hash-password prints",
        "admin.mode" => "development or production",
        "reclaim" => "a list of names of scripts",
        below if below.starts_with("prices.") => return takes("prices"),
        section => {
            let below = if section.is_empty() { String::new() } else { format!("{section}.") };
            let mut names: Vec<&str> = KEYS
                .iter()
                .filter_map(|key| key.path.strip_prefix(&below)?.split('.').next())
                .filter(|name| !name.is_empty())
                .collect();
            names.dedup();
            return (!names.is_empty()).then(|| format!("keys of its own, a line each: {}", names.join(", ")));
        }
    };
    Some(words.to_owned())
}

/// Whether a path means something: a key, or a section with keys in it.
pub(crate) fn is_known(path: &str) -> bool {
    // Below `prices` are names of models.
    path.starts_with("prices.")
        || KEYS
            .iter()
            .any(|key| key.path == path || key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// A file with every key, all of them commented out: what it says is what happens without it.
pub(crate) fn commented() -> String {
    let mut text = String::from(
        "# The monitor of Claude Code sessions. Everything here is a default: take a \"#\" away to change it.\n\
         # Other sections of this file belong to claude-mpm.\n\
         monitoring:\n",
    );
    let mut section = "";
    for key in &KEYS {
        let (above, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if above != section && !above.is_empty() {
            text.push_str(&format!("  # {above}:\n"));
        }
        section = above;
        let deeper = if above.is_empty() { "" } else { "  " };
        let said = format!("{deeper}{name}: {}", key.default);
        text.push_str(&format!("  # {said:<36} # {}\n", key.what));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_says_nothing_and_its_uncommented_keys_are_known() {
        let text = commented();
        let (_, unknown) = crate::settings::checked(std::path::Path::new("x"), &text).unwrap();
        assert!(unknown.is_empty());
        for key in &KEYS {
            let name = key.path.rsplit('.').next().unwrap();
            assert!(text.contains(&format!("{name}: ")), "{}", key.path);
        }
        // With the marks taken away it is valid, too, but for what only a person can fill in.
        let plain: String = text
            .lines()
            .skip(2)
            .filter(|line| {
                !line.contains("null")
                    && !line.contains("reclaim")
                    && !line.contains("admin")
                    && !line.contains("tls")
                    && !line.contains("mode")
                    && !line.contains("read_only")
            })
            .map(|line| line.replacen("# ", "", 1) + "\n")
            .collect();
        let (_, unknown) = crate::settings::checked(std::path::Path::new("x"), &plain).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}\n{plain}");
    }

    #[test]
    fn of_every_key_it_is_said_what_it_takes() {
        for key in &KEYS {
            let words = takes(key.path).unwrap();
            assert!(!words.starts_with("keys of its own"), "{}", key.path);
        }
        assert_eq!(takes("tls").unwrap(), "keys of its own, a line each: cert, key");
        assert!(takes("").unwrap().contains("enabled, port, host, websocket, metrics"));
        assert_eq!(takes("prot"), None);
    }

    #[test]
    fn sections_are_known_and_misspelt_keys_are_not() {
        assert!(is_known("websocket") && is_known("websocket.enabled") && is_known("admin"));
        assert!(!is_known("websocket.enable") && !is_known("prot") && !is_known("web"));
    }
}
