//! The shapes: published ones of widespread credentials, and values that stand behind a telling name.

use super::likeness::Is;

/// One shape: where to look for it, what stands before the secret, the secret itself, and what it must be besides.
pub(super) struct Rule {
    /// What stands in its place: `[redacted:<name>]`.
    pub(super) name: &'static str,
    pub(super) is: Is,
    /// The one byte before the match; a line feed where the text begins.
    pub(super) left: &'static str,
    /// How every match begins. All of these are looked for in one pass, and only where one is found are rules tried;
    /// hence cheap, and rare in harmless text.
    pub(super) near: &'static str,
    pub(super) before: &'static str,
    pub(super) secret: &'static str,
}

const fn rule(
    name: &'static str,
    is: Is,
    left: &'static str,
    near: &'static str,
    before: &'static str,
    secret: &'static str,
) -> Rule {
    Rule { name, is, left, near, before, secret }
}

const fn key(name: &'static str, is: Is, near: &'static str, secret: &'static str) -> Rule {
    rule(name, is, EDGE, near, "", secret)
}

const ANY: &str = r"(?s:.)";
/// No word goes on into the match.
const EDGE: &str = r"[^A-Za-z0-9_]";
const SPACE: &str = r"\s";
const QUOTE: &str = r#"["']"#;
/// A name of environment variables goes on into the match.
const NAME: &str = r"[A-Z0-9_]";

/// What `{…}` in a rule stands for.
const PARTS: [(&str, &str); 6] = [
    (
        "{NAMES}",
        r"(?i:passwo?r?d|passphrase|secret|(?:api|access|encryption|master|private|secret|shared[_-]?access|signing)[_-]?key|accountkey|(?:access|auth|bearer|deploy|id|refresh|session)[_-]?token|client[_-]?secret)",
    ),
    ("{IS}", r#"\\*["']?\s*(?:=>|:=|={1,3}|:)\s*\\*"#),
    ("{NEAR_IS}", r#"\\*["']?\s*[:=]"#),
    // The rest of a command, up to the next one.
    ("{COMMAND}", r"[^\n|;&]*?"),
    ("{VALUE}", r#"[^\s"'`$<{-][^\s"'`]{3,}"#),
    ("{BARE}", r#"[^\s"'`,;&(){}\[\]<>$|=]"#),
];

/// The parts put into an expression.
pub(super) fn whole(expression: &str) -> String {
    PARTS.iter().fold(expression.to_owned(), |whole, (name, part)| whole.replace(name, part))
}

/// What a text must have in any case for a rule to fit, in lower case. Literals alone, and few for each list: three
/// lists are faster to look for than one, and twice as fast as where a match may begin. Most texts end here.
pub(super) const SUSPECTS: [&str; 3] = [
    r"hvr\.|hvs\.|identified|jdbc:|k_live_|k_test_|lin_api_|login|mariadb|mysql|npm_|ntn_|pass|pmak-|pplx-|private-lines|pul-|pypi-|redis-cli|response=|rubygems_|salt|sbp_|secret|sig=|signature=|token|webhooks/|whsec_|xai-|xapp-|ya29\.",
    r"sk-|xox|eyj|hf_|r8_|:aa|://|key|shp|dp\.|pwd|psk|sg\.| -u| -b|0q~|1q~|2q~|3q~|4q~|5q~|6q~|7q~|8q~|9q~",
    r"--cr|--us|_pat_|_v1_|aiza|akia|asia|atlasv1|auth|bearer|code=|cookie|credentials|dapi|dckr_|figd_|gho_|ghp_|ghr_|ghs_|ghu_|glagent-|glcbt-|gldt-|glft-|glimt-|gloas-|glpat-|glptt-|glrt-|glsa_|glsoat-|gocspx-|gsk_|hooks\.slack|hvb\.",
];

/// Where a match begins before what tells it, as far back as this many bytes.
pub(super) const REACH: [(&str, &[usize]); 3] = [(":AA", &[10, 9, 8]), ("Q~", &[4]), (".atlasv1.", &[14])];

/// In the order in which they are tried where several fit.
pub(super) static RULES: &[&[Rule]] = &[KEYS, TEXTS, NAMED, COMMANDS];

/// What is a credential by its shape alone.
const KEYS: &[Rule] = &[
    key(
        "vendor-token",
        Is::Enough,
        r"gl[a-z]{2,5}-[A-Za-z0-9_-]{4}",
        r"gl(?:rt|dt|ptt|cbt|oas|soat|ft|agent|imt)-[A-Za-z0-9_-]{16,}",
    ),
    key("vendor-token", Is::Enough, r"xapp-", r"xapp-[A-Za-z0-9-]{20,}"),
    key("vendor-token", Is::Enough, r"whsec_", r"whsec_[A-Za-z0-9+/=]{24,}"),
    key("vendor-token", Is::Enough, r"ya29\.|GOCSPX-", r"(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}"),
    key("vendor-token", Is::Enough, r"SG\.[A-Za-z0-9_-]", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    key("vendor-token", Is::Enough, r"do[opr]_v1_", r"do[opr]_v1_[a-f0-9]{32,}"),
    key("vendor-token", Is::Enough, r"dckr_", r"dckr_[op]at_[A-Za-z0-9_-]{20,}"),
    key("vendor-token", Is::Enough, r"hv[sbr]\.", r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    key("vendor-token", Is::Enough, r"shp(?:at|ca|pa|ss)_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    key("vendor-token", Is::Enough, r"lin_api_|ntn_", r"(?:lin_api_[A-Za-z0-9]{32,}|ntn_[A-Za-z0-9]{40,})"),
    key("vendor-token", Is::Enough, r"dapi[a-f0-9]", r"dapi[a-f0-9]{32}\b"),
    key("vendor-token", Is::Enough, r"glsa_", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    key("vendor-token", Is::Enough, r"PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    key("vendor-token", Is::Enough, r"sbp_|rubygems_", r"(?:sbp_[a-f0-9]{40}|rubygems_[a-f0-9]{48})"),
    key("vendor-token", Is::Enough, r"figd_", r"figd_[A-Za-z0-9_-]{32,}"),
    key("vendor-token", Is::Enough, r"gsk_|pplx-", r"(?:gsk_|pplx-)[A-Za-z0-9]{40,}"),
    key("vendor-token", Is::Enough, r"xai-", r"xai-[A-Za-z0-9]{60,}"),
    key("vendor-token", Is::Enough, r"r8_[A-Za-z0-9]", r"r8_[A-Za-z0-9]{37}\b"),
    key("vendor-token", Is::Enough, r"AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    key("vendor-token", Is::Enough, r":AA", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    key("vendor-token", Is::Enough, r"key-[a-f0-9]{4}", r"key-[a-f0-9]{32}\b"),
    key("vendor-token", Is::Enough, r"Q~", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}"),
    key("vendor-token", Is::Enough, r"dp\.[spc]", r"dp\.(?:st|pt|ct|sa)\.(?:[a-z0-9_-]+\.)?[A-Za-z0-9]{40,}"),
    key("vendor-token", Is::Enough, r"pul-[a-f0-9]", r"pul-[a-f0-9]{40}"),
    key("vendor-token", Is::Enough, r"\.atlasv1\.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    rule(
        "webhook",
        Is::Enough,
        ANY,
        r"hooks\.slack\.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/",
        r"[A-Za-z0-9/_-]{20,}",
    ),
    rule("webhook", Is::Enough, ANY, r"com/api/webhooks/", r"com/api/webhooks/[0-9]+/", r"[A-Za-z0-9_-]{30,}"),
    rule("anthropic-key", Is::Enough, ANY, r"sk-ant-", "", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    key("api-key", Is::Mixed, r"sk-[A-Za-z0-9_-]{20}", r"sk-[A-Za-z_-]{0,80}[0-9][A-Za-z0-9_-]*"),
    key("aws-key-id", Is::Enough, r"AKIA|ASIA", r"(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    key(
        "github-token",
        Is::Enough,
        r"gh[pousr]_|github_pat_",
        r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    ),
    key("gitlab-token", Is::Enough, r"glpat-", r"glpat-[A-Za-z0-9_-]{16,}"),
    key("slack-token", Is::Enough, r"xox[abeprs]-", r"xox[abeprs]-[A-Za-z0-9-]{10,}"),
    key("google-key", Is::Enough, r"AIza", r"AIza[0-9A-Za-z_-]{35}"),
    key("npm-token", Is::Mixed, r"npm_[A-Za-z0-9]{8}", r"npm_[A-Za-z0-9]{30,}"),
    key("pypi-token", Is::Enough, r"pypi-AgEI", r"pypi-AgEI[A-Za-z0-9_-]{20,}"),
    key("huggingface-token", Is::Mixed, r"hf_[A-Za-z0-9]{4}", r"hf_[A-Za-z0-9]{20,}"),
    key("stripe-key", Is::Enough, r"[sr]k_(?:live|test)_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    // The signature may be missing, or beyond what is looked at.
    key(
        "jwt",
        Is::Enough,
        r"eyJ[A-Za-z0-9_-]{4}",
        r"eyJ[A-Za-z0-9_-]{10,}\.(?:eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?|[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]{8,}){2}(?:\.[A-Za-z0-9_-]*)?)",
    ),
    rule(
        "private-key",
        Is::Enough,
        ANY,
        r"-----BEGIN [A-Z]",
        "",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    rule(
        "private-key",
        Is::Enough,
        EDGE,
        r"Private-Lines: ",
        r"Private-Lines: [0-9]+\r?\n",
        r"(?:[A-Za-z0-9+/=]+\r?\n?)+",
    ),
];

/// Headers, cookies and URLs.
const TEXTS: &[Rule] = &[
    rule(
        "authorization",
        Is::Opaque,
        ANY,
        r"(?i:authorization){NEAR_IS}",
        r#"(?i:authorization)\\*["']?\s*[:=]\s*\\*["']?(?i:basic|token|apikey)\s+"#,
        r"[A-Za-z0-9._~+/=-]{8,}",
    ),
    rule(
        "authorization",
        Is::Key,
        EDGE,
        r"(?i:authorization){NEAR_IS}",
        r#"(?i:authorization)\\*["']?\s*[:=]\s*\\*["']?"#,
        r"[A-Za-z0-9._~+/=-]{16,}",
    ),
    rule(
        "authorization",
        Is::Enough,
        EDGE,
        r"(?i:signature|response)=",
        r#"(?i:signature|response)=["']?"#,
        r"[a-f0-9]{32,}",
    ),
    rule("bearer-token", Is::Mixed, ANY, r"(?i:bearer)\s", r"(?i:bearer)\s+", r"[A-Za-z0-9._~+/=-]{16,}"),
    rule(
        "header",
        Is::Key,
        r"[A-Za-z-]",
        r"(?i:-token){NEAR_IS}",
        r#"(?i:-token)\\*["']?\s*:\s*\\*["']?"#,
        r"[A-Za-z0-9._~+/=-]{16,}",
    ),
    rule(
        "cookie",
        Is::Enough,
        EDGE,
        r"(?i:set-cookie){NEAR_IS}",
        r#"(?i:set-cookie)\\*["']?\s*:\s*\\*["']?[^\s=;]+="#,
        r#"[^\s;"']{8,}"#,
    ),
    rule(
        "cookie",
        Is::Enough,
        EDGE,
        r"(?i:cookie){NEAR_IS}",
        r#"(?i:cookie)\\*["']?\s*:\s*\\*["']?"#,
        r#"[^\s=;,"']+=[^\r\n"']{8,}"#,
    ),
    rule("password-in-url", Is::NoPlaceholder, ANY, r"://[^\s/]", r"://[^\s/:@\[]*:", r#"[^\s/"'<>`]{3,}@"#),
    rule("password-in-url", Is::Mixed, ANY, r"://[^\s/]", r"://", r"[A-Za-z0-9_-]{20,}@"),
    rule("password-in-url", Is::Enough, ANY, r"://[^\s/]", r"://[^\s/:@\[]+:", r#"[^\s/@0-9"'][^\s/@"']*/[^\s/@"']*@"#),
    rule("password-in-url", Is::Enough, ANY, r"jdbc:oracle:", r"jdbc:oracle:\w+:[^\s/@]+/", r"[^\s/@]{3,}@"),
    rule(
        "token-in-url",
        Is::MixedOrLong,
        ANY,
        r"[?&](?i:x-|access_|id_|security-|token|key|sig|code|secret)",
        r"[?&](?i:(?:x-amz-|x-goog-)?(?:access_|id_|security-)?(?:token|key|sig|signature|code|secret))=",
        r"[A-Za-z0-9._~%+/=-]{16,}",
    ),
];

/// Values behind a name, in files of settings, source code and environments.
const NAMED: &[Rule] = &[
    rule("secret", Is::NoText, ANY, r"{NAMES}{NEAR_IS}", r#"{NAMES}{IS}["']"#, r#"[^"'`\n]{4,}"#),
    rule("secret", Is::NoCode, ANY, r"{NAMES}{NEAR_IS}", r"{NAMES}{IS}", r"{BARE}{6,}=*"),
    rule(
        "secret",
        Is::NoNumber,
        NAME,
        r#"(?:TOKEN|PASS|CREDENTIALS)["']?="#,
        r#"(?:TOKEN|PASS|CREDENTIALS)["']?=["']?"#,
        r"{BARE}{8,}=*",
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        NAME,
        r#"(?:PASSWORD|PASSWD|PASSPHRASE|PASS|SECRET|TOKEN|KEY)=["']"#,
        r#"(?:PASSWORD|PASSWD|PASSPHRASE|PASS|SECRET|TOKEN|KEY)=["']"#,
        r#"[^"'$`\n]{4,}"#,
    ),
    rule("secret", Is::Mixed, NAME, r#"PASS["']?="#, r#"PASS["']?=["']?"#, r"{BARE}{4,}"),
    rule("secret", Is::Mixed, ANY, r"(?i:token){NEAR_IS}", r#"(?i:token){IS}["']"#, r#"[^\s"'`\\]{16,}"#),
    rule("secret", Is::Key, EDGE, r"(?i:token)\s*[:=]", r"(?i:token)\s*[:=]\s*", r"[A-Za-z0-9._~+/-]{20,}"),
    rule(
        "secret",
        Is::Mixed,
        QUOTE,
        r"pass(?:wd|code)?{NEAR_IS}",
        r#"pass(?:wd|code)?{IS}["']"#,
        r#"[^\s"'`\n\\]{4,}"#,
    ),
    rule(
        "secret",
        Is::Opaque,
        QUOTE,
        r#"auth\\*["']\s*:"#,
        r#"auth\\*["']\s*:\s*\\*["']"#,
        r"[A-Za-z0-9+/]{12,}={0,2}",
    ),
    rule(
        "secret",
        Is::NoText,
        EDGE,
        r#"(?i:password)\s+["']|IDENTIFIED\s"#,
        r#"(?:(?i:password)|IDENTIFIED\s+BY)\s+["']"#,
        r#"[^"'`\n]{4,}"#,
    ),
    rule(
        "secret",
        Is::NoText,
        EDGE,
        r"(?i:define)\(",
        r#"(?i:define)\(\s*["'][A-Za-z_]*(?i:password|secret|key|token|salt)["']\s*,\s*["']"#,
        r#"[^"'\n]{4,}"#,
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        r"[\s>]",
        r"<(?i:passw|secret|token|api|private)",
        r"<(?i:password|passwd|secret|token|api_?key|private_?key)>",
        r#"[^<\s"'`]{4,}"#,
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        EDGE,
        r#"(?i:key|name)="[^"]"#,
        r#"(?i:(?:key|name)="[^"]*(?:password|secret|api_?key|token)[^"]*")\s+value=""#,
        r#"[^"\n]{6,}"#,
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        ANY,
        r"[;?&]\s*(?i:pwd)\s*=",
        r"[;?&]\s*(?i:pwd)\s*=",
        r#"[^\s;&"'/][^\s;&"']{3,}"#,
    ),
    rule("secret", Is::Key, EDGE, r"psk\s*[=:]", r#"psk\s*[=:]\s*["']?"#, r#"[^\s"']{8,}"#),
    rule("secret", Is::NoPlaceholder, EDGE, r"login\s", r"login\s+[^\s/]+\s+password\s+", r#"[^\s"']{4,}"#),
    rule(
        "secret",
        Is::NoPlaceholder,
        ANY,
        r":_(?:auth|password)",
        r#":_(?:authToken|auth|password)[\s=]+["']?"#,
        "{VALUE}",
    ),
    rule("secret", Is::NoPlaceholder, r"[\r\n]", r"_auth\s*=", r#"_auth\s*=\s*["']?"#, "{VALUE}"),
];

/// What commands are told.
const COMMANDS: &[Rule] = &[
    rule(
        "password",
        Is::NoPlaceholder,
        EDGE,
        r"(?:curl|https?|xh|wget|ab|svn|ftp|skopeo)\s",
        r#"(?:curl|https?|xh|wget|ab|svn|lftp|ftp|skopeo)\b{COMMAND}\s(?:-u|--user|--creds|--auth)[\s=]?["']?[^\s:"'/\[]+:"#,
        r#"[^\s"':\[][^\s"':]{3,}"#,
    ),
    rule(
        "cookie",
        Is::NoPlaceholder,
        EDGE,
        r"curl\s",
        r#"curl\b{COMMAND}\s(?:-b|--cookie)[\s=]["']?"#,
        r#"[^\s=;"']+=[^\r\n"']{8,}"#,
    ),
    rule(
        "secret",
        Is::NoCode,
        SPACE,
        r"--(?i:passw|passphrase|token|secret|api-key|auth-token)",
        r"--(?i:password|passwd|passphrase|token|secret|api-key|auth-token)\s+",
        r#"[^\s"'`$<{-][^\s"'`]{5,}"#,
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        EDGE,
        r"set\s+-[A-Za-z]",
        r#"set\s+-[A-Za-z]+\s+[A-Z0-9_]*(?:PASSWORD|PASS|SECRET|TOKEN|KEY)\s+["']?"#,
        "{VALUE}",
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        EDGE,
        r"configure\s+set\s",
        r#"configure\s+set\s+\S*(?:secret_access_key|session_token)\s+["']?"#,
        "{VALUE}",
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        EDGE,
        r"mysql|mariadb",
        r#"(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b{COMMAND}\s-p["']?"#,
        "{VALUE}",
    ),
    rule("secret", Is::NoPlaceholder, EDGE, r"sshpass\s", r#"sshpass\s+-p\s*["']?"#, r#"[^\s"'$][^\s"']{3,}"#),
    rule(
        "secret",
        Is::NoPlaceholder,
        EDGE,
        r"(?:docker|podman|helm|nerdctl|az|oc)\s",
        r#"(?:docker|podman|helm|nerdctl|az|oc)\b{COMMAND}\blogin\b{COMMAND}\s-p[\s=]["']?"#,
        "{VALUE}",
    ),
    rule(
        "secret",
        Is::NoPlaceholder,
        SPACE,
        r"-pass(?:in|out)?\s",
        r#"-pass(?:in|out)?\s+["']?pass:"#,
        r#"[^\s"']{4,}"#,
    ),
    rule("secret", Is::NoPlaceholder, EDGE, r"redis-cli\s", r#"redis-cli\b{COMMAND}\s-a\s+["']?"#, "{VALUE}"),
    rule(
        "secret",
        Is::NoPlaceholder,
        EDGE,
        r"htpasswd\s",
        r#"htpasswd\s+-[A-Za-z]*b[A-Za-z]*\s+\S+\s+\S+\s+["']?"#,
        "{VALUE}",
    ),
];
