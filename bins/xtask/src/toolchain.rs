//! Targets, components and tools.
//!
//! rustup's own `targets` in `rust-toolchain.toml` are passed over where its automatic installation is off, hence they are
//! added here. On a machine that can't reach rustup's servers, a distribution's compiler with its library's sources does
//! the same for the page and the plugins (see [`Guest`]).

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{Result, Shell};

const PAGE: &str = "wasm32-unknown-unknown";
pub(crate) const PLUGIN: &str = "wasm32-wasip2";

/// What replaces rustup's targets on Debian and Ubuntu.
const PACKAGES: [&str; 4] = ["cargo-web", "rust-web-src", "rustc-web", "wasi-libc"];
const OTHER_CARGO: &str = "/usr/bin/cargo";

/// The variable by which `exoclaw-ui-assets` takes another cargo.
const PAGE_CARGO: &str = "EXOCLAW_UI_CARGO";

/// Adds the targets that are missing, or what replaces them.
pub(crate) fn setup(shell: &mut Shell) -> Result<()> {
    for target in [PAGE, PLUGIN] {
        if has_target(shell, target)? {
            continue;
        }
        let added = shell.run(shell.command("rustup").args(["target", "add", target]));
        if added.is_ok() && has_target(shell, target)? {
            continue;
        }
        eprintln!("rustup could not add {target}; trying the system's compiler with its library's sources");
        replace(shell).map_err(|error| remedy(target, error.as_ref()))?;
    }
    Ok(())
}

fn remedy(target: &str, error: &dyn std::error::Error) -> String {
    format!(
        "no compiler for {target}: {error}\n  either let rustup reach its servers and run `rustup target add {target}`,\n  \
         or install a compiler with its library's sources, on Debian: apt-get install {}",
        PACKAGES.join(" ")
    )
}

/// Whether the compiler's folder for a target is there; its name is printed for absent ones too.
fn has_target(shell: &Shell, target: &str) -> Result<bool> {
    let folder = shell.read(shell.command("rustc").args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(&folder).is_dir())
}

fn replace(shell: &Shell) -> Result<()> {
    if !Path::new(OTHER_CARGO).is_file() || !Path::new("/usr/lib/wasm32-wasi").is_dir() {
        install_packages(shell, &PACKAGES)?;
    }
    Ok(())
}

/// Installs packages of the system, where that is possible without a password.
pub(crate) fn install_packages(shell: &Shell, packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if !shell.succeeds(shell.command("apt-get").arg("--version")) {
        return Err(format!("install {wanted} with your system's package manager").into());
    }
    let is_root = shell.read(shell.command("id").arg("-u"))? == "0";
    if !is_root && !shell.succeeds(shell.command("sudo").args(["-n", "true"])) {
        return Err(format!("run `sudo apt-get install {wanted}`").into());
    }
    let apt = |args: &[&str]| {
        let mut command = shell.command(if is_root { "env" } else { "sudo" });
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).args(args);
        command
    };
    // An old list names old versions, or files that are gone. Where it can't be renewed, it may still do.
    if let Err(error) = shell.run(&mut apt(&["update"])) {
        eprintln!("{error}");
    }
    shell.run(&mut apt(&[&["install", "-y", "--no-install-recommends"], packages].concat()))
}

/// The compiler for the page and the plugins.
pub(crate) enum Guest {
    /// rustup's, with its ready-made libraries.
    Own,
    /// The system's: the library is built from sources, with the linkers of rustup's toolchain.
    System { linkers: PathBuf },
}

impl Guest {
    pub(crate) fn find(shell: &Shell, target: &str) -> Result<Self> {
        if has_target(shell, target)? {
            return Ok(Self::Own);
        }
        let sysroot = PathBuf::from(shell.read(shell.command("rustc").args(["--print", "sysroot"]))?);
        let version = shell.read(shell.command("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
        Ok(Self::System { linkers: sysroot.join("lib/rustlib").join(host).join("bin") })
    }

    /// A cargo that builds for [`PLUGIN`].
    pub(crate) fn plugin_cargo(shell: &Shell, args: &str) -> Result<Command> {
        let mut command = shell.cargo(args);
        if let Self::System { linkers } = Self::find(shell, PLUGIN)? {
            let library = "/usr/lib/wasm32-wasi";
            let flags = format!("-Clink-self-contained=no -L{library} -Clink-arg={library}/crt1-reactor.o");
            // wasm-component-ld starts wasm-ld.
            let path = env::var_os("PATH").unwrap_or_default();
            let path = env::join_paths(std::iter::once(linkers.join("gcc-ld")).chain(env::split_paths(&path)))?;
            let given: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            command = shell.command(OTHER_CARGO);
            command
                .args(given)
                .env("PATH", path)
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
                .env("CARGO_TARGET_WASM32_WASIP2_LINKER", linkers.join("wasm-component-ld"))
                .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", flags)
                .env_remove("RUSTUP_TOOLCHAIN");
        }
        Ok(command)
    }

    /// A cargo whose build of the daemon finds a compiler for the page.
    pub(crate) fn page_cargo(shell: &Shell, args: &str) -> Result<Command> {
        let mut command = shell.cargo(args);
        if matches!(Self::find(shell, PAGE)?, Self::System { .. }) && env::var_os(PAGE_CARGO).is_none() {
            command.env(PAGE_CARGO, OTHER_CARGO);
        }
        Ok(command)
    }
}

/// Adds what `cargo fmt`, `cargo clippy` or `cargo llvm-cov` need.
pub(crate) fn component(shell: &Shell, name: &str, probe: &str) -> Result<()> {
    if shell.succeeds(&mut shell.cargo(probe)) {
        return Ok(());
    }
    shell.run(shell.command("rustup").args(["component", "add", name]))
}

/// The path of a tool of one version, built and kept under `target/tools`.
pub(crate) fn tool(shell: &Shell, name: &str, version: &str) -> Result<PathBuf> {
    let path = shell.tools().join("bin").join(name);
    let have = shell.read(Command::new(&path).arg("--version")).unwrap_or_default();
    if !have.split_whitespace().any(|word| word == version) {
        let mut install = shell.cargo("install --locked --root");
        install.arg(shell.tools()).args(["--version", version, name]);
        shell.run(&mut install)?;
    }
    Ok(path)
}
