//! One plugin call under grants: `one_call notes.wasm append '{"text":"milk"}' ~/notes=/notes`.
//!
//! Directories are granted read-write as far as the plugin asks for them; nothing else is granted.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks")]

use std::{env, error::Error};

use exoclaw_sandbox::{Access, FsGrant, Grants, Host, Limits, Permit, Sandbox, SandboxConfig, ToolRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, tool, input, dirs @ ..] = arguments.as_slice() else {
        return Err("want: plugin.wasm TOOL JSON [HOST_DIR=/GUEST_DIR]...".into());
    };
    let mut grants = Grants::default();
    for dir in dirs {
        let (host, guest) = dir.split_once('=').ok_or("want HOST_DIR=/GUEST_DIR")?;
        grants.fs.push(FsGrant { host: host.into(), guest: guest.into(), access: Access::ReadWrite });
    }

    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let limits = Limits::default();
    let plugin = sandbox.load(file.as_ref(), None, &limits)?;
    let permit = Permit::new(plugin.manifest(), &grants, &limits)?;
    eprintln!("requested: {:?}\ngranted:   {:?}", permit.requested(), permit.granted());

    let request = ToolRequest {
        tool: tool.parse()?,
        arguments: serde_json::from_str(input)?,
        call_id: "call-1".parse()?,
        idempotency_key: "call-1".into(),
        agent: "main".parse()?,
        session: "example".into(),
    };
    let called = plugin.call(&permit, request, Host::default()).await;
    println!("{}", serde_json::to_string_pretty(&called.output)?);
    eprintln!("{:?}", called.metering);
    if let Some(detail) = called.detail {
        return Err(detail.into());
    }
    Ok(())
}
