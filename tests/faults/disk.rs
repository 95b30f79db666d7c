//! A file system of its own, in a file: it can be copied as it is at one moment, and it can be full.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
};

use tempfile::TempDir;

/// Mounted until dropped.
pub(crate) struct Disk {
    home: TempDir,
    image: PathBuf,
}

impl Disk {
    /// A new one of so many bytes, all of which are there to be used.
    pub(crate) fn new(bytes: u64) -> Result<Self, String> {
        let home = tempfile::tempdir().unwrap();
        let image = home.path().join("image");
        File::create(&image).unwrap().set_len(bytes).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        Self { home, image }.mount()
    }

    /// What would be found if the power went off now: all that the file system has handed to the disk, mounted anew.
    pub(crate) fn after_a_cut(&self) -> Result<Self, String> {
        let home = tempfile::tempdir().unwrap();
        let image = home.path().join("image");
        run(Command::new("cp").arg("--sparse=always").args([&self.image, &image]))?;
        Self { home, image }.mount()
    }

    fn mount(self) -> Result<Self, String> {
        fs::create_dir(self.folder()).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).args([&self.image, &self.folder()]))?;
        Ok(self)
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join("disk")
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        let much = vec![1; 1 << 20];
        while file.write_all(&much).is_ok() {}
        // Less than that may fit still.
        while file.write_all(&[1]).is_ok() {}
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.folder().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Busy for a moment where a process has just been killed.
        for _ in 0..100 {
            if run(Command::new("umount").arg(self.folder())).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Whether one can be made here.
pub(crate) fn can_be_made() -> bool {
    Disk::new(1 << 20).is_ok()
}

/// Becomes this program again with mounts of its own, so that none outlives it however it ends. Returns where that is not
/// possible.
pub(crate) fn become_with_own_mounts(args: &[&str]) {
    if run(Command::new("unshare").args(["--mount", "true"])).is_ok() {
        let error = Command::new("unshare").arg("--mount").arg(std::env::current_exe().unwrap()).args(args).exec();
        panic!("start again with mounts of its own: {error}");
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
