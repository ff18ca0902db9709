//! Builds the hook program, linked statically where that works, and embeds it: the installer writes it to the user's
//! home, so that settings never point into a build folder.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build script speaks to Cargo and to people by printing"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let variable = |name: &str| std::env::var_os(name).ok_or(format!("Cargo sets no {name}"));
    let out = PathBuf::from(variable("OUT_DIR")?);
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../..");
    let target = std::env::var("TARGET").map_err(|error| format!("TARGET: {error}"))?;
    for source in ["crates/hook/src", "crates/hook/Cargo.toml", "crates/event/src/frame.rs", "crates/event/Cargo.toml"]
    {
        println!("cargo:rerun-if-changed={}", workspace.join(source).display());
    }
    println!("cargo:rerun-if-changed=build.rs");

    let built = out.join("hook").join(&target).join("release/claude-mpm-hook");
    // A process start is most of what a hook costs, and the dynamic linker a quarter of that.
    if let Err(reason) = cargo(&workspace, &out, &target, &["-C", "target-feature=+crt-static"]) {
        println!(
            "cargo:warning=the hook is linked dynamically, which costs a quarter more per hook: {}",
            last_line(&reason)
        );
        cargo(&workspace, &out, &target, &[])?;
    }
    println!("cargo:rustc-env=CLAUDE_MPM_HOOK_PROGRAM={}", built.display());
    Ok(())
}

fn cargo(workspace: &Path, out: &Path, target: &str, flags: &[&str]) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .args(["rustc", "--quiet", "--release", "--package", "hook", "--bin", "claude-mpm-hook", "--target", target])
        // Its own folder: the outer Cargo holds the lock of the common one.
        .arg("--target-dir")
        .arg(out.join("hook"))
        .arg("--")
        .args(flags);
    // Flags and wrappers of the outer build (clippy's, for one) are not meant for this one.
    for inherited in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET"]
    {
        command.env_remove(inherited);
    }
    let output = command.output().map_err(|error| format!("starting cargo for the hook: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason was given")
}
