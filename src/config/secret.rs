//! Secret files: one line that nobody else can read. Reads files and gives secrets that cannot be printed by accident;
//! nothing of a file's content is ever in an error.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use secrecy::SecretString;

use super::values::plain;
use super::{Environment, Error};

/// More than any secret of the two services.
const MAX_SECRET: u64 = 64 * 1024;

/// Reads a secret: one line, white space around it ignored, at most 64 KiB.
///
/// # Errors
/// The file is missing, unreadable, not a regular file, readable or writable by group or others (except inside
/// `$CREDENTIALS_DIRECTORY`, where systemd sets the mode), empty, of several lines, or not text. Each says how to mend it.
pub fn read_secret(path: &Path, env: &Environment) -> Result<SecretString, Error> {
    let refuse = |message: String| Error::of_file(path, message);
    let failed = |error: io::Error| {
        let mend = match error.kind() {
            ErrorKind::NotFound => "write the secret into it, one line, mode 600",
            ErrorKind::PermissionDenied => "run as its owner, or give it to the user of the daemon",
            _ => "put a readable file there",
        };
        refuse(format!("cannot read the secret: {}: {mend}", plain(&error)))
    };
    let file = open_without_waiting(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(refuse("is not a regular file: put the secret into a file of one line".into()));
    }
    if metadata.mode() & 0o066 != 0 && !is_credential(path, env) {
        let shown = path.display();
        let mode = metadata.mode() & 0o7777;
        return Err(refuse(format!(
            "is a secret that others can read or change (mode {mode:04o}): run: chmod 600 '{shown}'"
        )));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(refuse("is larger than 64 KiB: it must hold one line, the secret".into()));
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(refuse("is not text: it must hold one line, the secret".into()));
    };
    let secret = text.trim();
    if secret.is_empty() {
        return Err(refuse("is empty: write the secret into it, one line".into()));
    }
    if secret.contains(['\n', '\r']) {
        return Err(refuse("has several lines: it must hold one line, the secret".into()));
    }
    if secret.contains(char::is_control) {
        return Err(refuse("has a control character: it must hold one line, the secret".into()));
    }
    Ok(SecretString::from(secret))
}

/// Opens for reading without being held up by a FIFO that nobody writes to.
pub(super) fn open_without_waiting(path: &Path) -> io::Result<File> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    std::fs::OpenOptions::new().read(true).custom_flags(nonblock).open(path)
}

/// Whether the file really lies in `$CREDENTIALS_DIRECTORY`, all links followed.
fn is_credential(path: &Path, env: &Environment) -> bool {
    let Some(directory) = &env.credentials_directory else { return false };
    match (path.canonicalize(), directory.canonicalize()) {
        (Ok(path), Ok(directory)) => path.starts_with(directory),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use secrecy::ExposeSecret as _;

    use super::*;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new() -> Fixture {
            Fixture(tempfile::tempdir().expect("a temporary directory"))
        }

        fn file(&self, content: &[u8], mode: u32) -> PathBuf {
            let path = self.0.path().join("secret");
            std::fs::write(&path, content).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode set");
            path
        }
    }

    fn message(path: &Path) -> String {
        read_secret(path, &Environment::default()).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_secret_is_its_line_without_the_white_space_around_it() {
        let fixture = Fixture::new();
        for content in ["s3cret", "s3cret\n", "  s3cret\r\n\n"] {
            let secret = read_secret(&fixture.file(content.as_bytes(), 0o600), &Environment::default());
            assert_eq!(secret.expect("good").expose_secret(), "s3cret");
        }
        assert!(read_secret(&fixture.file(&[b'x'; 64 * 1024], 0o400), &Environment::default()).is_ok());
    }

    #[test]
    fn a_bad_secret_file_is_refused_with_the_mend_and_without_its_content() {
        let fixture = Fixture::new();
        let cases: [(&[u8], &str); 6] = [
            (b"", "is empty"),
            (b" \n\t\n", "is empty"),
            (b"hunter2\nhunter2\n", "several lines"),
            (b"hunter2\0hunter2", "control character"),
            (b"hunter2\xff", "not text"),
            (&[b'h'; 64 * 1024 + 1], "64 KiB"),
        ];
        for (content, part) in cases {
            let message = message(&fixture.file(content, 0o600));
            assert!(message.contains(part), "{message}");
            assert!(!message.contains("hunter2") && !message.contains("hhhh"), "{message}");
        }
        let missing = message(&fixture.0.path().join("absent"));
        assert!(missing.contains("absent: cannot read the secret: no such file or directory"), "{missing}");
        assert!(message(fixture.0.path()).contains("not a regular file"));
    }

    #[test]
    fn a_fifo_is_refused_at_once() {
        let fixture = Fixture::new();
        let path = fixture.0.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("made");
        assert!(message(&path).contains("not a regular file"));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_chmod_that_mends_it() {
        let fixture = Fixture::new();
        for mode in [0o640, 0o604, 0o644, 0o660, 0o602] {
            let path = fixture.file(b"hunter2", mode);
            let message = message(&path);
            assert!(message.contains(&format!("chmod 600 '{}'", path.display())), "{message}");
        }
    }

    #[test]
    fn a_credential_may_have_any_mode_but_not_lie_elsewhere() {
        let fixture = Fixture::new();
        let path = fixture.file(b"hunter2", 0o440);
        let env = Environment { credentials_directory: Some(fixture.0.path().into()), ..Environment::default() };
        assert!(read_secret(&path, &env).is_ok());
        let inner = fixture.0.path().join("credentials");
        std::fs::create_dir(&inner).expect("made");
        let env = Environment { credentials_directory: Some(inner.clone()), ..Environment::default() };
        assert!(read_secret(&inner.join("../secret"), &env).is_err());
        std::os::unix::fs::symlink(&path, inner.join("link")).expect("linked");
        assert!(read_secret(&inner.join("link"), &env).is_err());
    }
}
