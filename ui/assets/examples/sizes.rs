//! Prints what is embedded and how large it is: `cargo run -p exoclaw-ui-assets --example sizes`.

#![expect(clippy::print_stdout, reason = "the example's purpose")]

fn main() {
    println!("{:<20} {:>9} {:>9} {:>9}  type", "path", "plain", "gzip", "brotli");
    for file in exoclaw_ui_assets::FILES {
        let (plain, gzip, brotli) = (file.plain().len(), file.gzip.len(), file.brotli.len());
        println!("{:<20} {plain:>9} {gzip:>9} {brotli:>9}  {}", file.path, file.media_type);
    }
}
