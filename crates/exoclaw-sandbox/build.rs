//! Makes the hostile guests of the corpus from their text, and writes the table that embeds them.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

#[path = "guests/component.rs"]
mod component;
#[path = "guests/hostile.rs"]
mod hostile;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=guests");
    println!("cargo::rerun-if-changed=wit");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut table = String::from("&[\n");
    let mut add = |name: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        let file = out.join(name).with_extension("wasm");
        fs::write(&file, bytes)?;
        writeln!(table, "({name:?}, include_bytes!({file:?})),")?;
        Ok(())
    };
    for guest in hostile::HOSTILE {
        add(guest.name, &guest.component()?)?;
    }
    for (name, module) in hostile::REFUSED {
        let module = module.trim_start_matches("(module");
        add(name, &wat::parse_str(format!("(component (core module {module})"))?)?;
    }
    table.push(']');
    fs::write(out.join("guests.rs"), table)?;
    Ok(())
}
