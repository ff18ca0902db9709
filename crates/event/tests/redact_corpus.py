#!/usr/bin/env python3
"""Writes redact-corpus.json: texts with a secret that must vanish, and look-alikes that must stay.

    python3 redact_corpus.py > redact-corpus.json

No secret here is real: bodies come from a seeded generator. So that no scanner takes this file or the JSON for a leak,
every key-shaped string is cut in two by the mark `§`; whoever reads the JSON takes the marks out of `text`, `secret` and
`must_stay`. `tier` is `must` for what a reader would call a leak in any case, `should` for the rarer shapes.
"""
import base64
import json
import random
import sys

MARK = "§"
rand = random.Random(20261120)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
UPPER = LETTERS.upper()
WORD = UPPER + LETTERS + DIGITS


def body(length, alphabet=WORD):
    """A random body with a digit and a letter in it, as real ones have."""
    while True:
        made = "".join(rand.choice(alphabet) for _ in range(length))
        if len(alphabet) < 20 or (any(c.isdigit() for c in made) and any(c.isalpha() for c in made)):
            return made


def cut(text):
    """Cut in two in the middle, so that no scanner knows the shape."""
    middle = max(1, min(len(text) - 1, len(text) // 3))
    return text[:middle] + MARK + text[middle:]


def key(prefix, length, alphabet=WORD, suffix=""):
    """A key whose prefix and body are cut apart."""
    half = max(1, len(prefix) // 2)
    return prefix[:half] + MARK + prefix[half:] + body(length, alphabet) + suffix


CASES = []
NAMES = set()


def case(name, text, secret, stay, tier):
    assert name not in NAMES, name
    NAMES.add(name)
    clean = text.replace(MARK, "")
    if secret is not None:
        assert secret.replace(MARK, "") in clean, (name, "the secret is not in the text")
    for kept in stay:
        assert kept.replace(MARK, "") in clean, (name, kept)
        assert secret is None or secret.replace(MARK, "") not in kept.replace(MARK, ""), (name, kept)
    CASES.append({"name": name, "tier": tier, "text": text, "secret": secret, "must_stay": stay})


def leak(name, template, secret, *stay, tier="must"):
    """`template` with `{}` where the secret stands."""
    assert template.count("{}") == 1, name
    case(name, template.replace("{}", secret), secret, list(stay), tier)


def plain(name, text, *stay, tier="must"):
    """Nothing here is a secret: the whole text stays, unless parts are named."""
    case(name, text, None, list(stay) or [text], tier)


HEX = DIGITS + "abcdef"
B64 = WORD + "+/"
URL64 = WORD + "-_"

# --- keys with a published shape, bare in a sentence -----------------------------------------------------------------
SHAPES = [
    ("aws access key id", key("AKIA", 16, UPPER + DIGITS), "must"),
    ("aws temporary key id", key("ASIA", 16, UPPER + DIGITS), "must"),
    ("github personal token", key("ghp_", 36), "must"),
    ("github oauth token", key("gho_", 36), "must"),
    ("github app server token", key("ghs_", 36), "must"),
    ("github refresh token", key("ghr_", 76), "must"),
    ("github fine-grained token", key("github_pat_", 22) + "_" + body(59), "must"),
    ("gitlab personal token", key("glpat-", 20, URL64), "must"),
    ("gitlab runner token", key("glrt-", 20, URL64), "must"),
    ("gitlab deploy token", key("gldt-", 20, URL64), "must"),
    ("gitlab trigger token", key("glptt-", 40, HEX), "should"),
    ("gitlab job token", key("glcbt-", 24, URL64), "should"),
    ("slack bot token", key("xoxb-", 12, DIGITS) + "-" + body(13, DIGITS) + "-" + body(24), "must"),
    ("slack user token", key("xoxp-", 12, DIGITS) + "-" + body(12, DIGITS) + "-" + body(32, HEX), "must"),
    ("slack app token", key("xapp-1-", 11, UPPER + DIGITS) + "-" + body(13, DIGITS) + "-" + body(64, HEX), "must"),
    ("stripe live secret", key("sk_live_", 24), "must"),
    ("stripe restricted key", key("rk_live_", 24), "must"),
    ("stripe webhook secret", key("whsec_", 32), "must"),
    ("anthropic key", key("sk-ant-", 4).replace("sk", "sk") + "api03-" + body(93, URL64), "must"),
    ("anthropic admin key", key("sk-ant-admin01-", 93, URL64), "must"),
    ("openai project key", key("sk-proj-", 120, URL64), "must"),
    ("openai classic key", key("sk-", 48), "must"),
    ("openai service key", key("sk-svcacct-", 60, URL64), "must"),
    ("openrouter key", key("sk-or-v1-", 64, HEX), "must"),
    ("google api key", key("AIza", 35, URL64), "must"),
    ("google oauth access token", key("ya29.", 80, URL64), "must"),
    ("google oauth client secret", key("GOCSPX-", 28, URL64), "must"),
    ("npm token", key("npm_", 36), "must"),
    ("pypi token", key("pypi-AgEI", 80, URL64), "must"),
    ("hugging face token", key("hf_", 34), "must"),
    ("sendgrid key", key("SG.", 22, URL64) + "." + body(43, URL64), "must"),
    ("twilio key id", key("SK", 32, HEX), "should"),
    ("digitalocean token", key("dop_v1_", 64, HEX), "must"),
    ("docker hub token", key("dckr_pat_", 27, URL64), "must"),
    ("vault token", key("hvs.", 90, URL64), "must"),
    ("shopify token", key("shpat_", 32, HEX), "must"),
    ("linear key", key("lin_api_", 40), "should"),
    ("notion token", key("ntn_", 46), "should"),
    ("databricks token", key("dapi", 32, HEX), "should"),
    ("grafana service token", key("glsa_", 32) + "_" + body(8, HEX), "should"),
    ("postman key", key("PMAK-", 24, HEX) + "-" + body(34, HEX), "should"),
    ("supabase token", key("sbp_", 40, HEX), "should"),
    ("figma token", key("figd_", 40, URL64), "should"),
    ("rubygems key", key("rubygems_", 48, HEX), "should"),
    ("crates.io token", key("cio", 32), "should"),
    ("groq key", key("gsk_", 52), "should"),
    ("xai key", key("xai-", 80), "should"),
    ("replicate token", key("r8_", 37), "should"),
    ("perplexity key", key("pplx-", 48), "should"),
    ("age secret key", key("AGE-SECRET-KEY-1", 58, UPPER + DIGITS), "must"),
    ("telegram bot token", body(10, DIGITS) + ":" + key("AA", 33, URL64), "should"),
    ("discord bot token", key("MT", 24) + "." + body(6, URL64) + "." + body(38, URL64), "should"),
    ("mailgun key", key("key-", 32, HEX), "should"),
    ("azure client secret", body(3) + MARK + "8Q~" + body(34, URL64), "should"),
    ("doppler token", key("dp.st.dev.", 43), "should"),
    ("pulumi token", key("pul-", 40, HEX), "should"),
    ("terraform cloud token", body(14) + ".atlas" + MARK + "v1." + body(67, URL64), "should"),
]
for name, secret, tier in SHAPES:
    leak(name, "The deploy uses {} since Tuesday.", secret, "The deploy uses ", " since Tuesday.", tier=tier)

# --- JWTs and private keys -------------------------------------------------------------------------------------------
JWT = "eyJhbGciOi" + MARK + "JIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + body(43, URL64)
leak("jwt alone", "got {} from the server", JWT, "got ", " from the server")
leak("jwt in a query", "GET /cb?id_token={}&state=7 HTTP/1.1", JWT, "&state=7 HTTP/1.1")
leak("jwt in a local storage dump", '{"access":"{}","user":"ada"}', JWT, '"user":"ada"')
leak("encrypted jwt of five parts", "jwe {} end", "eyJhbGciOi" + MARK + "JSU0EtT0FFUCJ9." + ".".join(body(n, URL64) for n in (60, 16, 40, 22)), "jwe ", " end", tier="should")


def pem(kind):
    lines = "\n".join(body(64, B64) for _ in range(3))
    return f"-----BEGIN {kind[:3]}{MARK}{kind[3:]}-----\n{lines}\n-----END {kind}-----"


for kind in ("RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"):
    leak(f"pem {kind.lower()}", "$ cat key\n{}\n$ ls", pem(kind).replace("BEGIN PRI" + MARK, "BEGIN PRI" + MARK), "$ cat key", "$ ls")
PGP = "\n".join(body(64, B64) for _ in range(2))
leak("pgp private key block", "-----BEGIN PGP PRIV" + MARK + "ATE KEY BLOCK-----\n\n{}\n-----END PGP PRIVATE KEY BLOCK-----\nrest", PGP, "rest")
ESCAPED = "\\n".join(body(64, B64) for _ in range(2))
leak("pem in json", '{"type":"service_account","private_key":"-----BEGIN PRIV' + MARK + 'ATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n","client_email":"a@b.iam"}', ESCAPED, '"client_email":"a@b.iam"', '"type":"service_account"')
HALF = body(64, B64)
leak("pem cut off", "-----BEGIN RSA PRIV" + MARK + "ATE KEY-----\n{}", HALF)
leak("putty key", "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{}\nPrivate-MAC: 00", body(48, B64), "ssh-ed25519", tier="should")

# --- passwords in URLs and connection strings ------------------------------------------------------------------------
PASS = cut("h7Gx" + "Qm29!vLz")
SIMPLE = cut("c0rrect" + "horse7")
for name, template, stay in [
    ("postgres url", "DATABASE_URL=postgres://app:{}@db.example:5432/shop", ["postgres://app:", "@db.example:5432/shop"]),
    ("mysql url", "mysql://root:{}@127.0.0.1/test", ["mysql://root:", "@127.0.0.1/test"]),
    ("mongodb srv url", "mongodb+srv://svc:{}@c0.example.net/?retryWrites=true", ["mongodb+srv://svc:", "?retryWrites=true"]),
    ("redis url without user", "redis://:{}@cache:6379/0", ["@cache:6379/0"]),
    ("amqp url", "amqps://guest:{}@mq/vhost", ["amqps://guest:", "@mq/vhost"]),
    ("git remote with password", "git clone https://ada:{}@git.example/x.git", ["git clone https://ada:", "@git.example/x.git"]),
    ("proxy url", "export https_proxy=http://corp:{}@proxy:3128", ["http://corp:", "@proxy:3128"]),
    ("smtp url", "smtp://mail:{}@smtp.example:587", ["smtp://mail:", "@smtp.example:587"]),
]:
    leak(name, template, SIMPLE, *stay)
leak("url password of digits", "https://ada:{}@example.com/", cut("482" + "913"), "https://ada:", "@example.com/")
leak("url password with an at sign", "postgres://app:{}@db/shop", cut("p@ss" + "w0rd@9"), "@db/shop")
leak("url password with a slash", "postgres://app:{}@db/shop", cut("pa/ss" + "w0rd9"), "@db/shop", tier="should")
leak("url password of percent signs", "amqp://u:{}@mq/", cut("p%40ss" + "%2Fw0rd"), "amqp://u:", "@mq/")
leak("url user that is a token", "git push https://{}@github.com/a/b.git", key("ghp_", 36), "@github.com/a/b.git")
leak("url user that is a token of no known shape", "git clone https://{}@git.example/a.git", body(40, HEX), "@git.example/a.git", tier="should")
leak("git oauth2 url", "https://oauth2:{}@gitlab.com/g/p.git", key("glpat-", 20, URL64), "https://oauth2:", "@gitlab.com/g/p.git")
leak("url password in markdown", "see <https://x:{}@host/path> for it", SIMPLE, "see <https://x:", "@host/path> for it")
leak("sql server string", "Server=tcp:db,1433;User ID=sa;Password={};Encrypt=true", SIMPLE, "User ID=sa", "Encrypt=true")
leak("sql server string with pwd", "Driver={ODBC};Uid=sa;Pwd={};Trusted=no".replace("{ODBC}", "(ODBC)"), SIMPLE, "Uid=sa", "Trusted=no")
leak("jdbc url", "jdbc:postgresql://h/db?user=app&password={}&ssl=true", SIMPLE, "?user=app", "&ssl=true")
leak("jdbc oracle url", "jdbc:oracle:thin:scott/{}@//h:1521/x", SIMPLE, "jdbc:oracle:thin:scott/", "@//h:1521/x", tier="should")
leak("libpq string", "psql \"host=db user=app password={} sslmode=require\"", SIMPLE, "user=app", "sslmode=require")
leak("azure storage string", "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={};EndpointSuffix=core.windows.net", body(43, B64) + MARK + body(43, B64) + "==", "AccountName=shop", "EndpointSuffix=core.windows.net")
leak("azure service bus string", "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={}", body(20, B64) + MARK + body(23, B64) + "=", "SharedAccessKeyName=Root")
leak("azure sas url", "https://x.blob.core.windows.net/c/f?sv=2024-11-04&sp=r&sig={}", body(20, WORD) + MARK + body(22, WORD) + "%3D", "?sv=2024-11-04&sp=r")
leak("aws presigned url", "https://b.s3.amazonaws.com/k?X-Amz-Expires=60&X-Amz-Signature={}", body(64, HEX), "X-Amz-Expires=60")
leak("gcs signed url", "https://storage.googleapis.com/b/o?X-Goog-Date=1&X-Goog-Signature={}", body(128, HEX), "X-Goog-Date=1")
leak("slack webhook", "https://hooks.slack.com/services/{}", "T0" + MARK + body(9, UPPER + DIGITS) + "/B" + body(10, UPPER + DIGITS) + "/" + body(24), "https://hooks.slack.com/services/")
leak("discord webhook", "https://discord.com/api/webhooks/123456789012345678/{}", body(34, URL64) + MARK + body(34, URL64), "https://discord.com/api/webhooks/", tier="should")
leak("otpauth url", "otpauth://totp/x:ada?secret={}&issuer=x", "JBSW" + MARK + body(28, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "otpauth://totp/x:ada", "&issuer=x")
leak("password parameter", "POST /login?user=ada&password={} 200", SIMPLE, "user=ada", " 200")
leak("access token parameter", "GET /v1/me?access_token={}&fields=id", body(20, WORD) + MARK + body(12, WORD), "&fields=id")
leak("reset link", "https://shop.example/reset?token={}", body(16, HEX) + MARK + body(16, HEX), "https://shop.example/reset?token=")
leak("magic link of letters only", "https://shop.example/login?token={} sent", "".join(rand.choice(LETTERS) for _ in range(16)) + MARK + "".join(rand.choice(LETTERS) for _ in range(16)), " sent", tier="should")
leak("oauth code", "GET /callback?code={}&state=xyz", "4/0A" + MARK + body(60, URL64), "&state=xyz")

# --- headers ---------------------------------------------------------------------------------------------------------
BASIC = base64.b64encode(b"ada:correct-horse-7").decode()
BASIC = BASIC[:9] + MARK + BASIC[9:]
OPAQUE = body(16) + MARK + body(16)
leak("authorization bearer", "> Authorization: Bearer {}\n> Accept: */*", OPAQUE, "> Authorization: ", "> Accept: */*")
leak("authorization basic", "curl -H 'Authorization: Basic {}' https://x", BASIC, "https://x")
leak("authorization token", "-H \"Authorization: token {}\" -s", OPAQUE, " -s")
leak("authorization without a scheme", "Authorization: {}\nHost: x", OPAQUE, "Host: x")
leak("authorization digest", 'Authorization: Digest username="ada", realm="r", response="{}"', body(32, HEX), 'realm="r"', tier="should")
leak("authorization of aws", "Authorization: AWS4-HMAC-SHA256 Credential=AKIA" + MARK + body(16, UPPER + DIGITS) + "/20261120/eu/s3, Signature={}", body(64, HEX), "/20261120/eu/s3", tier="should")
leak("proxy authorization", "Proxy-Authorization: Basic {}", BASIC, "Proxy-Authorization: ")
leak("lower-case header in http2", "authorization: bearer {}\naccept: */*", OPAQUE, "accept: */*")
leak("header object in javascript", "headers: { Authorization: `Bearer {}`, Accept: 'x' }", OPAQUE, "Accept: 'x'")
leak("header tuple in python", "('Authorization', 'Bearer {}')", OPAQUE, "('Authorization', '")
leak("x-api-key", "curl -H 'x-api-key: {}' -d @f", OPAQUE, "-d @f")
leak("private-token header", 'curl --header "PRIVATE-TOKEN: {}" https://gitlab', OPAQUE, "https://gitlab")
leak("x-auth-token header", "X-Auth-Token: {}\nX-Id: 7", OPAQUE, "X-Id: 7")
leak("cookie header", "Cookie: sessionid={}; theme=dark\nAccept: */*", body(16) + MARK + body(16), "Cookie: ", "Accept: */*")
leak("cookie header with two of them", "Cookie: theme=dark; sid={}\nAccept: */*", body(16) + MARK + body(16), "Accept: */*")
leak("set-cookie header", "Set-Cookie: connect.sid={}; Path=/; HttpOnly", "s%3A" + MARK + body(60), "Path=/; HttpOnly")
leak("curl with a cookie", "curl -b 'auth={}' https://x/y", body(24) + MARK + body(8), "https://x/y", tier="should")
leak("csrf token header", "X-CSRF-Token: {}", body(20) + MARK + body(20), "X-CSRF-Token: ", tier="should")

# --- shells ----------------------------------------------------------------------------------------------------------
for name, template, secret, stay in [
    ("export of a password", "export DB_PASSWORD={}", SIMPLE, ["export DB_PASSWORD="]),
    ("export in double quotes", 'export DB_PASSWORD="{}" && make', PASS, ["export DB_PASSWORD=", " && make"]),
    ("export in single quotes", "export DB_PASSWORD='{}'; make", PASS, ["; make"]),
    ("quoted password of two words", 'export DB_PASSWORD="{}"', cut("correct horse 7"), ["export DB_PASSWORD="]),
    ("prefix assignment", "PGPASSWORD={} psql -h db", SIMPLE, ["psql -h db"]),
    ("aws secret", "export AWS_SECRET_ACCESS_KEY={}", body(20, B64) + MARK + body(20, B64), ["export AWS_SECRET_ACCESS_KEY="]),
    ("aws session token", "export AWS_SESSION_TOKEN={}", "IQoJ" + MARK + body(120, B64), ["export AWS_SESSION_TOKEN="]),
    ("token by name", "GITHUB_TOKEN={} gh pr list", body(20) + MARK + body(20), ["gh pr list"]),
    ("secret by name", "CLIENT_SECRET={} node x.js", body(16) + MARK + body(16), ["node x.js"]),
    ("api key by name", "OPENAI_API_KEY={} python x.py", body(20) + MARK + body(20), ["python x.py"]),
    ("short password", "DB_PASS={} ./run", cut("hunter2"), ["./run"]),
    ("passphrase", "export GPG_PASSPHRASE={}", SIMPLE, ["export GPG_PASSPHRASE="]),
    ("secret key of django", "SECRET_KEY={}", "django-insecure-" + MARK + body(40), ["SECRET_KEY="]),
    ("encryption key", "ENCRYPTION_KEY={}", body(32, HEX) + MARK + body(32, HEX), ["ENCRYPTION_KEY="]),
    ("fish", "set -x API_TOKEN {}", body(16) + MARK + body(16), ["set -x API_TOKEN "]),
    ("powershell", '$env:API_KEY = "{}"', body(16) + MARK + body(16), ["$env:API_KEY = "]),
    ("windows set", "set API_KEY={}", body(16) + MARK + body(16), ["set API_KEY="]),
    ("docker -e", "docker run -e POSTGRES_PASSWORD={} postgres:17", SIMPLE, ["docker run -e POSTGRES_PASSWORD=", "postgres:17"]),
    ("docker build arg", "docker build --build-arg NPM_TOKEN={} .", body(36), ["docker build"]),
    ("kubectl literal", "kubectl create secret generic s --from-literal=password={}", SIMPLE, ["kubectl create secret generic s"]),
    ("heroku config", "heroku config:set JWT_SECRET={} -a shop", body(32), ["-a shop"]),
    ("curl -u", "curl -u ada:{} https://x/api", SIMPLE, ["curl -u ada:", "https://x/api"]),
    ("curl -u in quotes", 'curl -u "ada:{}" https://x', PASS, ["https://x"]),
    ("curl --user", "curl --user ada:{} https://x", SIMPLE, ["curl --user ada:", "https://x"]),
    ("curl -u without a space", "curl -uada:{} https://x", SIMPLE, ["https://x"]),
    ("curl data", "curl -d 'user=ada&password={}' https://x", SIMPLE, ["user=ada", "https://x"]),
    ("curl json", "curl -d '{\"user\":\"ada\",\"password\":\"{}\"}' https://x".replace("{\"user", "{ \"user"), PASS, ["\"user\":\"ada\"", "https://x"]),
    ("wget", "wget --user=ada --password={} https://x", SIMPLE, ["--user=ada", "https://x"]),
    ("mysql -p", "mysql -u root -p{} shop", SIMPLE, ["mysql -u root", " shop"]),
    ("sshpass", "sshpass -p {} ssh ada@host", SIMPLE, ["sshpass -p ", "ssh ada@host"]),
    ("sshpass in quotes", "sshpass -p '{}' ssh ada@host", PASS, ["ssh ada@host"]),
    ("docker login", "docker login -u ada -p {} reg.example", SIMPLE, ["docker login -u ada", "reg.example"]),
    ("openssl passin", "openssl rsa -in k.pem -passin pass:{}", SIMPLE, ["openssl rsa -in k.pem"]),
    ("redis-cli", "redis-cli -a {} ping", SIMPLE, ["redis-cli -a ", " ping"]),
    ("option with a space", "vault login --token {}", body(24) + MARK + body(4), ["vault login --token "]),
    ("option with an equals sign", "tool --api-key={} --fast", body(16) + MARK + body(16), ["--fast"]),
    ("sudo from echo", "echo '{}' | sudo -S apt update", PASS, ["sudo -S apt update"]),
    ("aws configure", "aws configure set aws_secret_access_key {}", body(20, B64) + MARK + body(20, B64), ["aws configure set aws_secret_access_key "]),
    ("npm config", "npm config set //registry.npmjs.org/:_authToken {}", body(36), ["npm config set"]),
    ("htpasswd", "htpasswd -b .htpasswd ada {}", SIMPLE, ["htpasswd -b .htpasswd ada "]),
]:
    rare = {"fish", "sshpass", "sshpass in quotes", "redis-cli", "sudo from echo", "htpasswd", "docker login", "mysql -p", "openssl passin", "curl -u without a space", "npm config", "aws configure"}
    leak(name, template, secret, *stay, tier="should" if name in rare else "must")

# --- files -----------------------------------------------------------------------------------------------------------
leak("netrc on one line", "machine api.example login ada password {}", SIMPLE, "machine api.example login ada password ")
leak("netrc on several lines", "machine api.example\n  login ada\n  password {}\n", SIMPLE, "login ada")
leak("npmrc token", "//registry.npmjs.org/:_authToken={}\nfund=false", body(18) + MARK + body(18), "fund=false")
leak("npmrc auth", "_auth={}\nemail=a@b.c", BASIC, "email=a@b.c")
leak("pypirc", "[pypi]\nusername = ada\npassword = {}\n", PASS, "username = ada")
leak("aws credentials", "[default]\naws_access_key_id = x\naws_secret_access_key = {}\nregion = eu", body(20, B64) + MARK + body(20, B64), "region = eu")
leak("docker config", '{"auths":{"reg":{"auth":"{}"}}}'.replace('{"auths":{"reg":{', '{ "auths": { "reg": { ').replace('}}}', ' } } }'), BASIC, '"reg"')
leak("git credentials store", "https://ada:{}@github.com\nhttps://x", cut("tok3n" + "Secret9"), "https://ada:", "https://x")
leak("kube config", "users:\n- user:\n    token: {}\n", body(40) + MARK + body(20), "users:\n- user:\n    token: ")
leak("kube secret data", "kind: Secret\ndata:\n  password: {}\n", base64.b64encode(b"correct-horse-battery").decode(), "kind: Secret")
leak("yaml password", "db:\n  user: app\n  password: {}\n  port: 5432", SIMPLE, "user: app", "port: 5432")
leak("yaml in quotes", "db:\n  password: \"{}\"\n  port: 5432", PASS, "port: 5432")
leak("compose environment", "environment:\n  - MYSQL_ROOT_PASSWORD={}\n  - TZ=UTC", SIMPLE, "TZ=UTC")
leak("toml token", "[registry]\ntoken = \"{}\"\nindex = 'x'", body(20) + MARK + body(12), "index = 'x'")
leak("ini with spaces", "smtp_password   =   {}\nsmtp_host = h", SIMPLE, "smtp_host = h")
leak("properties file", "spring.datasource.password={}\nspring.datasource.username=app", SIMPLE, "spring.datasource.username=app")
leak("json password", '{"host":"h","password":"{}","port":1}', PASS, '"host":"h"', '"port":1')
leak("json in a json string", '{"body":"{\\"user\\":\\"ada\\",\\"password\\":\\"{}\\"}"}', cut("h7Gx" + "Qm29vLz"), '\\"user\\":\\"ada\\"')
leak("json twice escaped", '\\\\\\"api_key\\\\\\": \\\\\\"{}\\\\\\"', body(12) + MARK + body(12), "api_key")
leak("json client secret", '{"clientId":"shop","clientSecret":"{}"}', body(16) + MARK + body(16), '"clientId":"shop"')
leak("json token", '{"user":"ada","token":"{}"}', body(16) + MARK + body(16), '"user":"ada"')
leak("json pass", '{"user":"ada","pass":"{}"}', PASS, '"user":"ada"')
leak("json with spaces and a new line", '{\n  "refresh_token" :\n    "{}"\n}', body(24) + MARK + body(16), '"refresh_token"')
leak("javascript object", "const db = { user: 'app', password: '{}' };", PASS, "const db = { user: 'app', password: '")
leak("python constant", "API_SECRET = '{}'\nDEBUG = True", body(16) + MARK + body(16), "DEBUG = True")
leak("python keyword argument", "connect(host='h', password='{}')", PASS, "connect(host='h', password='")
leak("ruby hash", ":password => \"{}\",", PASS, ":password => \"")
leak("php define", "define('DB_PASSWORD', '{}');", PASS, "define('DB_PASSWORD', '")
leak("go struct", "Config{Password: \"{}\", Port: 1}".replace("Config{P", "Config{ P"), PASS, "Port: 1")
leak("terraform", 'resource "x" "y" {\n  master_password = "{}"\n}'.replace('"y" {', '"y" {'), PASS, 'resource "x" "y"')
leak("xml element", "<user>ada</user><password>{}</password>", SIMPLE, "<user>ada</user><password>", "</password>")
leak("xml attribute", '<add key="ApiKey" value="{}" />', body(16) + MARK + body(16), '<add key="ApiKey" value="', tier="should")
leak("sql", "CREATE USER app WITH PASSWORD '{}';", PASS, "CREATE USER app WITH PASSWORD '")
leak("sql identified by", "CREATE USER app IDENTIFIED BY '{}';", PASS, "CREATE USER app IDENTIFIED BY '", tier="should")
leak("shadow line", "root:{}:19000:0:99999:7:::", "$6$" + MARK + body(16) + "$" + body(86, WORD + "./"), ":19000:0:99999:7:::", tier="should")
leak("wpa passphrase", 'network={\n ssid="x"\n psk="{}"\n}'.replace("network={", "network=("), PASS, 'ssid="x"', tier="should")
leak("secret in a person's words", "My password is {} please log in", SIMPLE, "please log in", tier="should")
leak("secret in a german sentence", "Das Passwort lautet {} für ä", SIMPLE, "Das Passwort lautet ", "für ä", tier="should")
leak("secret after unicode", "größe=1 DB_PASSWORD={} ende ü", SIMPLE, "größe=1", "ende ü")
leak("crlf lines", "USER=ada\r\nPASSWORD={}\r\nX=1\r\n", SIMPLE, "USER=ada\r\n", "\r\nX=1")
leak("two secrets, the second", "PASSWORD=" + cut("first1One") + " API_KEY={} end", body(12) + MARK + body(12), " end")
leak("unicode password", 'password: "{}"', cut("pässwörtchen7"), 'password: "')
leak("diff line", "+DB_PASSWORD={}\n-DB_HOST=h", SIMPLE, "-DB_HOST=h")
leak("log line", "2026-11-20 INFO login user=ada password={} ok", SIMPLE, "user=ada", " ok")
leak("terminal colours", "\x1b[32mPASSWORD\x1b[0m={}\n", SIMPLE, "\x1b[32mPASSWORD\x1b[0m", tier="should")
leak("zero width inside of the name", "pass\u200bword={}", SIMPLE, "pass", tier="should")

# --- harmless: identifiers and hashes --------------------------------------------------------------------------------
plain("git sha", "commit " + body(40, HEX))
plain("short sha", "HEAD is now at " + body(9, HEX) + " Fix the login")
plain("sha256", "sha256:" + body(64, HEX))
plain("uuid", "session c01bd4e7-22aa-4f19-8c3d-91d2c7fe0a11 started")
plain("tool use id", '"tool_use_id":"toolu_' + body(24) + '"')
plain("npm integrity", '"integrity": "sha512-' + body(86, B64) + '=="')
plain("cargo checksum", 'checksum = "' + body(64, HEX) + '"')
plain("go sum", "golang.org/x/net v0.1.0 h1:" + body(43, B64) + "=")
plain("pip hash", "--hash=sha256:" + body(64, HEX))
plain("subresource integrity", '<script integrity="sha384-' + body(64, B64) + '" crossorigin="anonymous">')
plain("data image", "url(data:image/png;base64,iVBORw0KGgo" + body(120, B64) + "=)")
plain("etag", 'ETag: W/"' + body(27, B64) + '"')
plain("docker digest", "FROM node@sha256:" + body(64, HEX))
plain("public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + body(43, B64) + " ada@host")
plain("pem public key", "-----BEGIN PUBLIC KEY-----\n" + body(64, B64) + "\n-----END PUBLIC KEY-----")
plain("pem certificate", "-----BEGIN CERTIFICATE-----\n" + body(64, B64) + "\n-----END CERTIFICATE-----")
plain("known hosts fingerprint", "SHA256:" + body(43, B64) + " ada@host (ED25519)")
plain("css classes", ".sk-loading-spinner-container-large, .sk-fading-circle-animation { color: red }")
plain("stripe publishable key", "pk_test_placeholder is public", tier="should")
plain("minified javascript", "function a(b,c){return b.token===c.token?b:{token:c,key:b.key}}")
plain("snake word after npm", "npm_config_registry=https://registry.npmjs.org npm_package_name=x")
plain("rust path", "use tokio_rustls::rustls::pki_types::PrivateKeyDer;")
plain("hex colour", "--token-color: #ff00aa; --secret-bg: #00112233")
plain("kubernetes pod", "pod/secret-manager-7d9f8b6c5d-x2x4z 1/1 Running")
plain("ipv6", "http://[2001:db8::1]:8080/path?x=1")
plain("url with a port", "http://localhost:8765/api/v1/events?limit=10&key=session")
plain("url with an at sign in the path", "https://example.com:443/@scope/package@1.2.3")
plain("npm scoped url", "https://registry.npmjs.org/@types/node/-/node-20.1.0.tgz")
plain("ssh url", "git@github.com:owner/repo.git ssh://git@host:22/x")
plain("email in mailto", "mailto:ada@example.com?subject=token")
plain("time and place", "at 12:30:45 user@host:~/work$ ls")
plain("windows path", r"C:\Users\ada:stuff\secret\token.txt")
plain("sourcemap", "//# sourceMappingURL=data:application/json;base64," + body(60, B64))
plain("jwt header alone", "eyJhbGciOiJIUzI1NiJ9 is only a header", tier="should")
plain("session key of a cache", "cache key=session:c01bd4e7:list hit")
plain("sorting key", "sort_by(key=lambda event: event.timestamp)")
plain("signature in prose", "signature=function(a, b) returns code=unreachable_at_this_point")

# --- harmless: code that speaks of secrets ----------------------------------------------------------------------------
for name, text in [
    ("password hash call", "user.password_hash = password_hash($password, PASSWORD_DEFAULT);"),
    ("bcrypt", "const hash = await bcrypt.hash(password, saltRounds);"),
    ("token identifier", "let token = lexer.next_token(); match token.kind { Token::Ident => {} }"),
    ("token type", "type Token = { kind: TokenKind; text: string };"),
    ("typescript signature", "login(user: string, password: string, token?: string): Promise<Session>"),
    ("python annotation", "def login(user: str, password: str, api_key: Optional[str] = None) -> Token:"),
    ("rust struct", "pub struct Config { pub password: String, pub token: Option<String>, secret: SecretString }"),
    ("go struct field", "Password string `json:\"password\"`"),
    ("java getter", "String password = request.getParameter(\"password\");"),
    ("environment in node", "const apiKey = process.env.OPENAI_API_KEY ?? '';"),
    ("environment in python", "API_KEY = os.environ[\"API_KEY\"]"),
    ("environment in rust", "let token = std::env::var(\"GITHUB_TOKEN\").unwrap_or_default();"),
    ("environment in go", "password := os.Getenv(\"DB_PASSWORD\")"),
    ("shell variable", "curl -H \"Authorization: Bearer $TOKEN\" https://x"),
    ("shell variable in braces", "curl -u \"$USER:${PASSWORD}\" https://x"),
    ("shell default", "export DB_PASSWORD=\"${DB_PASSWORD:-}\""),
    ("shell substitution", "export TOKEN=$(gcloud auth print-access-token)"),
    ("github actions secret", "token: ${{ secrets.GITHUB_TOKEN }}"),
    ("gitlab variable", "password: $CI_REGISTRY_PASSWORD"),
    ("helm value", "password: {{ .Values.db.password | quote }}"),
    ("jinja", "password={{ lookup('env', 'DB_PASSWORD') }}"),
    ("terraform reference", "password = var.db_password\ntoken = data.vault_generic_secret.x.data[\"token\"]"),
    ("angular form", "password: ['', Validators.required], confirmPassword: ['', Validators.required]"),
    ("vue prop", "password: { type: String, required: true }"),
    ("html input", "<input type=\"password\" name=\"password\" placeholder=\"Password\" autocomplete=\"current-password\">"),
    ("css selector", "input[type=password]:focus { outline: none }"),
    ("label", "label: 'Password', hint: 'Your password must have 8 characters'"),
    ("translation", "\"password\": \"Mot de passe oublié ?\", \"token\": \"Jeton\""),
    ("error message", "Error: invalid password: authentication failed for user ada"),
    ("missing key message", "The api_key client option must be set either by passing api_key to the client"),
    ("sql column", "SELECT id, password_hash, api_key_id FROM users WHERE token_type = 'refresh'"),
    ("sql migration", "ALTER TABLE users ADD COLUMN password_digest varchar(60) NOT NULL"),
    ("json schema", "\"password\": { \"type\": \"string\", \"format\": \"password\", \"minLength\": 8 }"),
    ("openapi security", "securitySchemes: { bearerAuth: { type: http, scheme: bearer, bearerFormat: JWT } }"),
    ("token count", "max_tokens=4096 input_tokens: 1200, output_tokens: 42, cache_read_tokens=21000"),
    ("token usage json", "{\"total_tokens\":22542,\"token_usage\":{\"input_tokens\":1200}}"),
    ("private key path", "ssh_private_key_file=/home/ada/.ssh/id_ed25519 private_key: ./keys/dev.pem"),
    ("tls key option", "--tls-cert cert.pem --tls-key key.pem --token-file /etc/x/token"),
    ("password stdin", "echo $PW | docker login --username ada --password-stdin reg.example"),
    ("comparison", "if (password === confirmPassword && token !== undefined) return;"),
    ("assert", "assert_eq!(config.secret, expected_secret, \"the secret differs\");"),
    ("log of a length", "console.log(`token length: ${token.length}, password set: ${!!password}`)"),
    ("doc comment", "/// The password: never logged. The token: see [`Token`]."),
    ("heading", "## Secrets: how to rotate an API key: a guide"),
    ("flag description", "      --password <PASSWORD>  The password of the user [env: DB_PASSWORD]"),
    ("usage", "Usage: tool --api-key <KEY> --secret <SECRET>"),
    ("keyboard", "primary_key=id foreign_key=user_id sort_key: created_at partition_key = 'tenant'"),
    ("bearer in prose", "The bearer of this letter may pass; bearer-authentication-is-required here"),
    ("basic in prose", "Authorization: basic knowledge of HTTP is enough"),
    ("cookie in prose", "Cookie: a small cake. Set-Cookie: see chapter 4"),
    ("css variable", "color: var(--token-keyword); --secret: initial;"),
    ("enum", "enum Kind { Password = 1, Secret = 2, ApiKey = 3 }"),
    ("regex of a rule", r"before: r#\"(?i:password|passwd)\\s*[:=]\""),
    ("grep command", "grep -rn 'password=' src/ | head; rg \"api_key:\" --type py"),
    ("sed command", "sed -i 's/password=.*/password=REDACTED/' config.ini"),
    ("git log", "a1b2c3d Rotate token: use secret manager"),
    ("test name", "test password: rejects_empty_values ... ok"),
    ("docker user", "docker run -u 1000:1000 --user 1000:1000 image"),
    ("chown", "install -o root -u ada:staff file"),
    ("rsync", "rsync -u host:path/ target/ && tar -u archive:file"),
]:
    plain(name, text)

# --- harmless: placeholders ------------------------------------------------------------------------------------------
for name, text in [
    ("angle brackets", "export API_KEY=<YOUR_TOKEN>"),
    ("your token here", "export API_TOKEN=your-token-here"),
    ("your api key", "api_key: \"your_api_key\""),
    ("changeme", "password: changeme"),
    ("stars", "password: ******** token=****"),
    ("xs", "token = \"xxxxxxxxxxxxxxxx\""),
    ("dots", "API_KEY=sk-... in the docs"),
    ("example shape", "keys look like sk-ant-... or ghp_xxxx"),
    ("already redacted", "Authorization: Bearer [redacted:bearer-token] password=[redacted:secret]"),
    ("masked by ci", "DB_PASSWORD=*** npm publish"),
    ("null", "password: null, token: undefined, secret: None, api_key: nil"),
    ("booleans", "require_password=true show_token: false has_secret = True"),
    ("numbers", "password_min_length=12 token_ttl: 3600 SECRET_COUNT=3"),
    ("empty", "password=\"\" token='' secret: \"\""),
    ("todo", "secret: TODO, token: FIXME"),
    ("url placeholder", "postgres://user:password@localhost:5432/db in the README"),
    ("url variable", "postgres://$USER:$PASSWORD@$HOST/db and redis://:${REDIS_PASSWORD}@cache"),
    ("example config", "password = \"<password>\"  # replace it"),
    ("percent", "set PASSWORD=%DB_PASSWORD%"),
]:
    plain(name, text, tier="should" if name in ("your token here", "your api key", "changeme", "url placeholder", "todo") else "must")

# --- fields: what the text rules cannot see, because name and value are apart ----------------------------------------
FIELDS = []


def field(name, value, secret, *stay):
    NAMES.add(name)
    FIELDS.append({"name": name, "tier": "must", "value": value, "secret": secret, "must_stay": list(stay)})


OPEN = body(12) + MARK + body(12)
for named in ("password", "DB_PASSWORD", "dbPassword", "PGPASSWORD", "GITHUB_TOKEN", "access_token", "x-auth-token", "PRIVATE-TOKEN", "token", "apiKey", "OPENAI_API_KEY",
              "X-Api-Key", "client_secret", "JWT_SECRET", "SECRET_KEY", "ENCRYPTION_KEY", "aws_secret_access_key", "AccountKey", "pass", "pwd", "passwd", "cookie", "Set-Cookie",
              "Authorization", "Proxy-Authorization", "private_key", "credentials", "_authToken"):
    field(f"field {named}", {"env": {named: OPEN, "TZ": "UTC"}}, OPEN, "UTC", named)
field("pair of name and value", {"env": [{"name": "DB_PASSWORD", "value": OPEN}, {"name": "TZ", "value": "UTC"}]}, OPEN, "UTC", "DB_PASSWORD")
field("pair of key and value", {"headers": [{"key": "x-api-key", "value": OPEN}]}, OPEN, "x-api-key")
field("list of two", {"headers": [["x-api-key", OPEN]]}, OPEN, "x-api-key")
field("arguments apart", {"argv": ["tool", "--password", OPEN, "--verbose"]}, OPEN, "--verbose")
field("arguments of curl apart", {"argv": ["curl", "-u", "ada:" + OPEN, "https://x"]}, OPEN, "https://x")
field("object below a secret name", {"password": {"value": OPEN}}, OPEN, "value")
field("list below a secret name", {"passwords": [OPEN]}, OPEN, "passwords")
field("number below a secret name", {"password": 48291377}, "48291377", "password")
for named, kept in (("password_hash", "argon2id"), ("token_type", "Bearer"), ("tokenizer", "cl100k_base_v2_x7"), ("max_tokens", "4096"), ("password_required", "always7x"), ("secretName", "db-credentials-7d9f8"),
                    ("primary_key", "order_2026_11_20_0001"), ("key", "session:list:0001abc"), ("token_count", "12 of 4096"), ("author", "Ada Lovelace 1815"), ("passed", "all 12 tests"), ("keyboard", "qwertz-de-2026-x1")):
    field(f"field {named}", {"f": {named: kept}}, None, kept, named)

about = "Take every mark out before use. Cases are texts; fields are JSON values for what looks at names of fields. Made by redact_corpus.py."
line = lambda item: json.dumps(item, ensure_ascii=False)
print("{")
print(f' "about": {line(about)},\n "mark": {line(MARK)},')
print(' "cases": [\n  ' + ",\n  ".join(map(line, CASES)) + "\n ],")
print(' "fields": [\n  ' + ",\n  ".join(map(line, FIELDS)) + "\n ]\n}")
leaks = sum(c["secret"] is not None for c in CASES)
print(f"{len(CASES)} cases: {leaks} leaks, {len(CASES) - leaks} harmless; {len(FIELDS)} fields", file=sys.stderr)
