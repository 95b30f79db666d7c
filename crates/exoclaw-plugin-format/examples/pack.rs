//! Packs a plugin: `pack plugin.toml component.wasm packed.wasm`.

use std::{env, error::Error, fs};

use exoclaw_plugin_format::{Manifest, pack};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [manifest, component, packed] = arguments.as_slice() else {
        return Err("want: plugin.toml component.wasm packed.wasm".into());
    };
    let manifest = Manifest::from_toml(&fs::read_to_string(manifest)?)?;
    fs::write(packed, pack(&fs::read(component)?, &manifest)?)?;
    Ok(())
}
