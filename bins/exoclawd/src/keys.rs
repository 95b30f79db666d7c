//! Keys of providers: where they are looked for.

/// The variable that holds a provider's key.
pub(crate) fn variable(provider: &str) -> String {
    let name = provider.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("EXOCLAW_{name}_API_KEY")
}
