//! A wrong command line is answered with usage.

use std::process::Command;

#[test]
fn a_wrong_command_line_is_answered_with_usage_on_standard_error_and_exit_2() {
    for arguments in [&[][..], &["--config", "/x"], &["frobnicate"], &["status", "--frobnicate"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_droptrail")).args(arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: droptrail"), "{arguments:?}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_droptrail")).arg("--version").output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("droptrail {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_for_a_reader_that_has_gone_ends_quietly() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_droptrail")).arg("--help").stdout(writer).output().expect("runs");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
