//! Keys of providers and the token of the gateway: where they are looked for.

use exoclaw_protocol::Secret;
use exoclaw_store::{CredentialError, CredentialName, Credentials};

use crate::{
    Env, Home,
    config::{ProviderConfig, ProviderKind},
    error::{CliError, Exit},
};

/// The shortest token that is taken from people: what is shorter can be guessed.
const TOKEN_CHARACTERS: usize = 16;

/// Bytes of a token that is made here.
const TOKEN_BYTES: usize = 32;

const TOKEN_VARIABLE: &str = "EXOCLAW_TOKEN";

/// The variable that holds a provider's key.
pub(crate) fn variable(provider: &str) -> String {
    format!("EXOCLAW_{}_API_KEY", provider.to_ascii_uppercase().replace('-', "_"))
}

/// The variable that the vendor's own tools read.
pub(crate) fn vendor_variable(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::OpenAi => Some("OPENAI_API_KEY"),
        ProviderKind::Anthropic => Some("ANTHROPIC_API_KEY"),
        ProviderKind::Demo => None,
    }
}

/// A provider's key: its own variable, else the vendor's, else the credential file. A provider at an address of its own may
/// do without, and never gets the vendor's: it is somebody else.
pub(crate) fn provider_key(
    name: &str,
    config: &ProviderConfig,
    env: &Env,
    home: &Home,
) -> Result<Option<Secret>, CliError> {
    let vendor = vendor_variable(config.kind).filter(|_| config.base_url.is_none());
    let own = variable(name);
    for variable in [Some(own.as_str()), vendor].into_iter().flatten() {
        match env.get(variable).map(str::trim) {
            None => {}
            Some("") if variable != own => {}
            Some(key) => return valid(variable, key).map(Some),
        }
    }
    let credentials = Credentials::new(home.credentials());
    let file = CredentialName::provider(name).map_err(permission)?;
    let kept = credentials.read(&file).map_err(permission)?;
    if kept.is_none() && config.base_url.is_none() && config.kind != ProviderKind::Demo {
        let path = credentials.path(&file);
        let message = format!("provider {name} has no key");
        let vendor = vendor.map(|vendor| format!(" or {vendor}")).unwrap_or_default();
        return Err(CliError::new(Exit::Permission, message)
            .hint(format!("set {own}{vendor}, or run `exoclawd onboard`, which keeps it in {}", path.display()))
            .hint("`exoclawd gateway --demo` needs none"));
    }
    Ok(kept)
}

/// The token that the environment names.
pub(crate) fn named_token(env: &Env) -> Result<Option<Secret>, CliError> {
    env.get(TOKEN_VARIABLE).map(|token| valid_token(TOKEN_VARIABLE, token)).transpose()
}

/// A secret of plugins, if it is kept.
pub(crate) fn secret(name: &str, home: &Home) -> Result<Option<Secret>, CliError> {
    Credentials::new(home.credentials()).read(&CredentialName::secret(name).map_err(permission)?).map_err(permission)
}

/// The gateway's token as a client knows it; `None` before the first start of a daemon.
pub(crate) fn gateway_token(env: &Env, home: &Home) -> Result<Option<Secret>, CliError> {
    match named_token(env)? {
        Some(token) => Ok(Some(token)),
        None => Credentials::new(home.credentials()).read(&CredentialName::gateway_token()).map_err(permission),
    }
}

/// The gateway's token as the daemon takes it: given, else kept, else made and kept.
pub(crate) fn own_gateway_token(flag: Option<&str>, env: &Env, home: &Home) -> Result<Secret, CliError> {
    if let Some(token) = flag {
        return valid_token("--token", token);
    }
    if let Some(token) = gateway_token(env, home)? {
        return Ok(token);
    }
    let mut bytes = [0; TOKEN_BYTES];
    let drawn = getrandom::fill(&mut bytes);
    drawn.map_err(|error| CliError::new(Exit::Failed, "draw a random token").because(error.to_string()))?;
    let token = Secret::new(hex::encode(bytes));
    Credentials::new(home.credentials()).write(&CredentialName::gateway_token(), &token).map_err(permission)?;
    Ok(token)
}

fn valid_token(source: &str, token: &str) -> Result<Secret, CliError> {
    let token = token.trim();
    if token.len() < TOKEN_CHARACTERS {
        let message = format!("the token in {source} is too short: want at least {TOKEN_CHARACTERS} characters");
        return Err(CliError::new(Exit::Config, message).hint("without one, the daemon makes a random token by itself"));
    }
    valid(source, token)
}

/// A key that was typed or piped.
pub(crate) fn typed(text: &str) -> Result<Secret, CliError> {
    valid("the key", text.trim())
}

/// Keys and tokens travel in HTTP headers (RFC 9110, section 5.5).
fn valid(source: &str, text: &str) -> Result<Secret, CliError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{source} is empty, or holds spaces or letters beyond ASCII");
        return Err(CliError::new(Exit::Config, message).hint("set it to a key, or unset it"));
    }
    Ok(Secret::new(text))
}

pub(crate) fn permission(error: CredentialError) -> CliError {
    let exit = if matches!(error, CredentialError::File { .. }) { Exit::Io } else { Exit::Permission };
    CliError::of(exit, error)
}
