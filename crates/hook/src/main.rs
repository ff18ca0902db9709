//! `claude-mpm-hook`: what Claude Code runs at each hook.

fn main() {
    hook::run(std::env::args_os().skip(1), &|name| std::env::var_os(name));
}
