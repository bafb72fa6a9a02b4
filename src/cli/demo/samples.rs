//! The demo's own files: a few of different kinds. Touches nothing that it did not make.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Makes the sample files that are missing; those that are there stay as they are.
pub(super) fn make(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder.join("Contracts/2026"))?;
    let picture = bmp();
    let samples: [(&str, &[u8]); 7] = [
        (
            "Read me first.txt",
            b"Each file in this folder has a public record of its content. Change one, or add one.\n",
        ),
        ("Contracts/2026/Supply agreement.md", b"# Supply agreement\n\nThe parties agree on the following terms.\n"),
        ("Contracts/2026/Signatures.csv", b"party,signed_on\nseller,2026-01-15\nbuyer,2026-01-17\n"),
        ("Minutes.html", b"<!doctype html><title>Minutes</title><p>The board met and decided.</p>\n"),
        ("Logo.bmp", &picture),
        ("Empty file", b""),
        (
            "\u{1f4dc} \u{43f}\u{440}\u{43e}\u{442}\u{43e}\u{43a}\u{43e}\u{43b}.txt",
            b"Names may be in any script; none of them leaves this machine.\n",
        ),
    ];
    for (name, content) in samples {
        let path = folder.join(name);
        if !path.exists() {
            std::fs::write(path, content)?;
        }
    }
    let large = folder.join("Recording.bin");
    if !large.exists() {
        // A little over one block of Dropbox's content hash, so that both hashes have something to do.
        std::fs::write(large, (0..5 * 1024 * 1024).map(|i: u32| (i % 251) as u8).collect::<Vec<u8>>())?;
    }
    Ok(())
}

/// A picture of 16 by 16 points.
fn bmp() -> Vec<u8> {
    let mut out = vec![0x42, 0x4d, 0x36, 3, 0, 0, 0, 0, 0, 0, 0x36, 0, 0, 0, 0x28, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0];
    out.extend([1, 0, 24, 0, 0, 0, 0, 0, 0, 3, 0, 0]);
    out.resize(0x36, 0);
    for point in 0..256u32 {
        out.extend([(point * 3) as u8, (point / 16 * 16) as u8, 200]);
    }
    out
}

/// The file that `--once` changes.
pub(super) fn subject(folder: &Path, ours: bool) -> PathBuf {
    folder.join(if ours { "Contracts/2026/Supply agreement.md" } else { "droptrail-demo.txt" })
}

/// Writes the demo's own file in a folder of somebody else's.
pub(super) fn write(file: &Path) -> std::io::Result<()> {
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(file)?;
    writeln!(out, "Made by droptrail demo at {}.", jiff::Timestamp::now())
}

/// Changes it.
pub(super) fn append(file: &Path) -> std::io::Result<()> {
    let mut out = std::fs::OpenOptions::new().append(true).open(file)?;
    writeln!(out, "Changed at {}.", jiff::Timestamp::now())
}
