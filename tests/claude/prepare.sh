# Makes the project and answers the client's first-run dialogs beforehand. Sourced by run.sh.

dummy_key=sk-test-dummy

if [ ! -e "$PROJECT/.git" ]; then
  mkdir -p "$PROJECT"
  git init -q -b main "$PROJECT"
  printf '# Demo app\nUse spaces.\n' > "$PROJECT/CLAUDE.md"
  printf 'fn main() {\n    println!("hi");\n}\n' > "$PROJECT/main.rs"
  git -C "$PROJECT" add -A
  git -C "$PROJECT" -c user.name=dev -c user.email=dev@example.com commit -qm first
fi

if [ ! -e "$CLIENT_HOME/.claude.json" ]; then
  cat > "$CLIENT_HOME/.claude.json" <<JSON
{"hasCompletedOnboarding": true, "theme": "dark", "bypassPermissionsModeAccepted": true,
 "customApiKeyResponses": {"approved": ["$dummy_key"], "rejected": []},
 "projects": {"$PROJECT": {"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true}}}
JSON
fi
