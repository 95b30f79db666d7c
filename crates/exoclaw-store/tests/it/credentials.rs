use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use exoclaw_protocol::Secret;
use exoclaw_store::{CredentialError, CredentialName, Credentials};
use tempfile::TempDir;

struct Home {
    home: TempDir,
    credentials: Credentials,
    name: CredentialName,
}

fn home() -> Home {
    let home = tempfile::tempdir().unwrap();
    let credentials = Credentials::new(home.path().join("deep/credentials"));
    Home { home, credentials, name: CredentialName::provider("local").unwrap() }
}

/// A home with a credential in it.
fn furnished() -> Home {
    let home = home();
    home.credentials.write(&home.name, &Secret::new("sk-1")).unwrap();
    home
}

impl Home {
    fn directory(&self) -> PathBuf {
        self.home.path().join("deep/credentials")
    }

    fn file(&self) -> PathBuf {
        self.credentials.path(&self.name)
    }

    fn read(&self) -> Result<Option<String>, CredentialError> {
        Ok(self.credentials.read(&self.name)?.map(|secret| secret.expose().to_owned()))
    }

    #[track_caller]
    fn refused(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_credential_comes_back_until_removed() {
    let home = home();
    assert_eq!(home.read().unwrap(), None);
    assert!(!home.credentials.remove(&home.name).unwrap());
    for key in ["sk-1", "sk-2"] {
        home.credentials.write(&home.name, &Secret::new(key)).unwrap();
        assert_eq!(home.read().unwrap().as_deref(), Some(key));
    }
    assert!(home.credentials.remove(&home.name).unwrap());
    assert_eq!(home.read().unwrap(), None);
}

#[test]
fn what_is_written_is_closed_to_others() {
    let home = furnished();
    assert_eq!((mode(&home.directory()), mode(&home.file())), (0o700, 0o600));
    let files: Vec<_> = fs::read_dir(home.directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["local.key"]);
}

#[test]
fn a_wider_mode_is_refused_with_the_remedy() {
    let home = furnished();
    for wide in [0o640, 0o604, 0o660, 0o610] {
        set_mode(&home.file(), wide);
        let file = home.file();
        let expected = format!("{0} is open to others (mode {wide:o}): run `chmod 600 {0}`", file.display());
        assert_eq!(home.refused(), expected);
    }
    set_mode(&home.file(), 0o400);
    assert_eq!(home.read().unwrap().as_deref(), Some("sk-1"));

    set_mode(&home.directory(), 0o750);
    let directory = home.directory();
    let expected = format!("{0} is open to others (mode 750): run `chmod 700 {0}`", directory.display());
    assert_eq!(home.refused(), expected);
    assert!(matches!(home.credentials.remove(&home.name), Err(CredentialError::Open { .. })));
    let written = home.credentials.write(&home.name, &Secret::new("sk-2"));
    assert!(matches!(written, Err(CredentialError::Open { .. })), "{written:?}");
}

#[test]
fn a_link_is_refused_for_file_and_directory() {
    let home = furnished();
    let elsewhere = home.home.path().join("elsewhere");
    fs::rename(home.file(), &elsewhere).unwrap();
    symlink(&elsewhere, home.file()).unwrap();
    assert!(matches!(home.read(), Err(CredentialError::Kind { kind: "file", .. })), "{:?}", home.read());
    // Writing replaces the link, not what it leads to.
    home.credentials.write(&home.name, &Secret::new("sk-2")).unwrap();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "sk-1");
    assert_eq!(home.read().unwrap().as_deref(), Some("sk-2"));

    let moved = home.home.path().join("moved");
    fs::rename(home.directory(), &moved).unwrap();
    symlink(&moved, home.directory()).unwrap();
    assert!(matches!(home.read(), Err(CredentialError::Kind { kind: "directory", .. })), "{:?}", home.read());
}

#[test]
fn a_directory_in_place_of_the_file_is_refused() {
    let home = furnished();
    fs::remove_file(home.file()).unwrap();
    fs::create_dir(home.file()).unwrap();
    assert!(matches!(home.read(), Err(CredentialError::Kind { kind: "file", .. })), "{:?}", home.read());
}

/// Root may give a file away; whoever is not root finds root's directories.
#[test]
fn a_foreign_owner_is_refused() {
    let home = furnished();
    let refused = if fs::metadata(home.file()).unwrap().uid() == 0 {
        std::os::unix::fs::chown(home.file(), Some(1), None).unwrap();
        home.read()
    } else {
        Credentials::new("/usr").read(&home.name).map(|_| None)
    };
    assert!(matches!(refused, Err(CredentialError::Owner { .. })), "{refused:?}");
}

#[test]
fn what_is_no_credential_is_refused_both_ways() {
    let home = furnished();
    for bad in ["", " ", "two words", "line\nfeed", "kéy", &"k".repeat(8 * 1024 + 1)] {
        let written = home.credentials.write(&home.name, &Secret::new(bad));
        assert!(matches!(written, Err(CredentialError::Content { .. })), "{bad:?}: {written:?}");
        assert_eq!(home.read().unwrap().as_deref(), Some("sk-1"));
    }
    for bad in ["", "\n", "two words", "k\0", &"k".repeat(8 * 1024 + 1)] {
        fs::write(home.file(), bad).unwrap();
        assert!(matches!(home.read(), Err(CredentialError::Content { .. })), "{bad:?}");
    }
    fs::write(home.file(), "sk-by-hand\n").unwrap();
    assert_eq!(home.read().unwrap().as_deref(), Some("sk-by-hand"));
    fs::write(home.file(), "sécret-text").unwrap();
    assert!(!home.refused().contains("cret-text"));
}

#[test]
fn what_a_crash_left_is_swept_away() {
    let home = furnished();
    fs::write(home.directory().join(".local.key.new"), "half a k").unwrap();
    home.credentials.write(&home.name, &Secret::new("sk-2")).unwrap();
    assert_eq!(home.read().unwrap().as_deref(), Some("sk-2"));
    assert_eq!(fs::read_dir(home.directory()).unwrap().count(), 1);
}

#[test]
fn only_plain_names_name_a_provider() {
    for good in ["a", "0", "open-ai", "local-2", &"a".repeat(64)] {
        assert!(CredentialName::provider(good).is_ok(), "{good}");
    }
    for bad in ["", "-a", ".", "..", "a/b", "../gateway", "a.key", "A", "a_b", "a b", "ä", "a\0", &"a".repeat(65)] {
        assert!(matches!(CredentialName::provider(bad), Err(CredentialError::Name { .. })), "{bad}");
    }
    assert_ne!(CredentialName::provider("gateway").unwrap(), CredentialName::gateway_token());
}
