//! The config file, by the loader of the daemon.

use std::{error::Error, fs};

use exoclawd::{
    Env, Home,
    config::{Config, ConfigError, Flags, Sources, load},
};

/// What is taken is taken again; what is not is refused in words that steer no terminal.
pub(crate) fn file(bytes: &[u8]) {
    let Some(folder) = super::folder() else { return };
    if fs::write(folder.path().join("config.toml"), bytes).is_err() {
        return;
    }
    let Some(home) = Home::find(Some(folder.path()), &Env::default()) else { return };
    match (read(&home), read(&home)) {
        (Ok(first), Ok(second)) => assert_eq!(first, second),
        (Err(error), Err(_)) => {
            let mut cause: Option<&dyn Error> = Some(&error);
            while let Some(error) = cause {
                let text = error.to_string();
                assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
                cause = error.source();
            }
        }
        (first, second) => panic!("{first:?} and then {second:?}"),
    }
}

fn read(home: &Home) -> Result<Config, ConfigError> {
    let (env, flags) = (Env::default(), Flags::default());
    let sources = Sources { file: None, home, env: &env, flags, may_be_absent: false };
    load(&sources).map(|loaded| loaded.config)
}
