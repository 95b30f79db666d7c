//! Which provider and which model.

use super::local::{self, Found};
use crate::{
    cli::OnboardArgs,
    command::Context,
    config::ProviderKind,
    error::{CliError, Exit},
};

/// A provider to set up.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) kind: ProviderKind,
    pub(super) base_url: Option<String>,
    /// A server of this machine, which asks for no key.
    pub(super) local: bool,
    /// What it can serve, as far as it says.
    pub(super) models: Vec<String>,
}

impl Choice {
    fn vendor(kind: ProviderKind) -> Self {
        let models = match kind {
            ProviderKind::Anthropic => vec!["claude-sonnet-4-5".to_owned(), "claude-haiku-4-5".to_owned()],
            ProviderKind::OpenAi => vec!["gpt-5.1".to_owned(), "gpt-5-mini".to_owned()],
            ProviderKind::Demo => Vec::new(),
        };
        Self { name: kind.as_str().to_owned(), kind, base_url: None, local: false, models }
    }

    fn compatible(name: &str, base_url: &str) -> Self {
        let kind = ProviderKind::OpenAi;
        Self { name: name.to_owned(), kind, base_url: Some(base_url.to_owned()), local: false, models: Vec::new() }
    }

    fn found(found: Found) -> Self {
        Self { local: true, models: found.models, ..Self::compatible(found.name, &found.base_url) }
    }
}

/// By the flags, else by asking.
pub(super) fn choose(args: &OnboardArgs, context: &mut Context<'_>) -> Result<Choice, CliError> {
    if let Some(name) = &args.provider {
        return named(name, args.base_url.as_deref());
    }
    if let Some(base_url) = &args.base_url {
        return Ok(Choice::compatible("local", base_url));
    }
    let found = local::look();
    if args.yes || !context.terminal.interactive {
        return found.into_iter().next().map(Choice::found).ok_or_else(|| {
            CliError::new(Exit::Usage, "no provider is named, and no local server answers")
                .hint("name one with --provider anthropic, --provider openai, or --base-url URL")
        });
    }
    ask(found, context)
}

fn named(name: &str, base_url: Option<&str>) -> Result<Choice, CliError> {
    match (name, base_url) {
        ("anthropic", None) => Ok(Choice::vendor(ProviderKind::Anthropic)),
        ("openai", None) => Ok(Choice::vendor(ProviderKind::OpenAi)),
        ("anthropic", Some(url)) => {
            Ok(Choice { base_url: Some(url.to_owned()), ..Choice::vendor(ProviderKind::Anthropic) })
        }
        (name, None) => {
            let known = local::SERVERS.iter().find(|server| server.name == name);
            let known = known.ok_or_else(|| {
                CliError::new(Exit::Usage, format!("the provider {name:?} is not known"))
                    .hint("say where it is with --base-url URL, or name anthropic, openai, ollama or llama-cpp")
            })?;
            let found = local::ask(known);
            Ok(found.map_or_else(|| Choice { local: true, ..Choice::compatible(name, known.base_url) }, Choice::found))
        }
        (name, Some(url)) => Ok(Choice::compatible(name, url)),
    }
}

fn ask(found: Vec<Found>, context: &mut Context<'_>) -> Result<Choice, CliError> {
    let mut choices: Vec<(String, Choice)> = Vec::new();
    for found in found {
        let count = found.models.len();
        let text =
            format!("{} at {}, with {count} model{}", found.title, found.base_url, if count == 1 { "" } else { "s" });
        choices.push((text, Choice::found(found)));
    }
    choices.push(("Anthropic, with a key".to_owned(), Choice::vendor(ProviderKind::Anthropic)));
    choices.push(("OpenAI, with a key".to_owned(), Choice::vendor(ProviderKind::OpenAi)));
    context.terminal.say("Who should answer?")?;
    for (number, (text, _)) in choices.iter().enumerate() {
        context.terminal.say(format_args!("  {}  {text}", number + 1))?;
    }
    let other = choices.len() + 1;
    context.terminal.say(format_args!("  {other}  another server that speaks OpenAI's API"))?;
    loop {
        let answer = context.question("number [1]: ")?;
        let number = if answer.is_empty() { Ok(1) } else { answer.parse::<usize>() };
        match number {
            Ok(number) if number == other => {
                let url = context.question("its address, such as http://127.0.0.1:8000/v1: ")?;
                return Ok(Choice::compatible("local", &url));
            }
            Ok(number) if (1..other).contains(&number) => return Ok(choices.swap_remove(number - 1).1),
            _ => context.terminal.say(format_args!("want a number from 1 to {other}"))?,
        }
    }
}

/// By the flag, else by asking.
pub(super) fn model(args: &OnboardArgs, choice: &Choice, context: &mut Context<'_>) -> Result<String, CliError> {
    let first = choice.models.first().cloned();
    match (&args.model, first) {
        (Some(model), _) => Ok(model.clone()),
        (None, Some(first)) if args.yes || !context.terminal.interactive => Ok(first),
        (None, None) if args.yes || !context.terminal.interactive => {
            Err(CliError::new(Exit::Usage, "no model is named").hint("name one with --model MODEL"))
        }
        (None, first) => {
            for model in choice.models.iter().take(20) {
                context.terminal.say(format_args!("  {}", crate::terminal::printable(model)))?;
            }
            let offer = first.as_ref().map(|first| format!(" [{first}]")).unwrap_or_default();
            loop {
                let answer = context.question(&format!("model{offer}: "))?;
                match (answer.is_empty(), &first) {
                    (false, _) => return Ok(answer),
                    (true, Some(first)) => return Ok(first.clone()),
                    (true, None) => {}
                }
            }
        }
    }
}
