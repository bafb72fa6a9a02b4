//! Contents, kept by their SHA-256 in `blobs/` of the state directory, so that every revision can be read for ever.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Length of a block of Dropbox's content hash, bytes (content-hash reference).
pub const BLOCK: usize = 4 * 1024 * 1024;

/// Dropbox's content hash, fed piece by piece. Written for the sandbox alone, so that it checks the client's own.
#[derive(Default)]
pub struct ContentHash {
    outer: Sha256,
    block: Sha256,
    filled: usize,
}

impl ContentHash {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.block.update(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == BLOCK {
                self.outer.update(self.block.finalize_reset());
                self.filled = 0;
            }
        }
    }

    /// The hash.
    pub fn finish(mut self) -> Digest {
        if self.filled > 0 {
            self.outer.update(self.block.finalize());
        }
        Digest(self.outer.finalize().into())
    }

    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hash = ContentHash::default();
        hash.update(bytes);
        hash.finish()
    }
}

/// What a content was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its name in the store.
    pub sha256: Digest,
    /// Dropbox's content hash.
    pub content_hash: Digest,
    /// Bytes.
    pub size: u64,
}

/// The blob store.
#[derive(Debug)]
pub struct Blobs {
    dir: PathBuf,
    unique: AtomicU64,
}

impl Blobs {
    /// Opens or makes the store; left-overs of a killed process are removed.
    ///
    /// # Errors
    /// If the directory cannot be made or read.
    pub fn open(dir: PathBuf) -> io::Result<Blobs> {
        let incoming = dir.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        for first in 0..=255u8 {
            let shelf = dir.join(hex::encode([first]));
            if !shelf.exists() {
                fs::create_dir(shelf)?;
            }
        }
        Ok(Blobs { dir, unique: AtomicU64::new(0) })
    }

    /// Where a content is kept.
    pub fn path(&self, sha256: &Digest) -> PathBuf {
        let name = sha256.to_string();
        self.dir.join(&name[..2]).join(&name[2..])
    }

    /// Copies a file's content into the store, hashing it on the way. Small ones are read whole, so that a content that is known
    /// already is not written again.
    ///
    /// # Errors
    /// If the file cannot be read or the store not written.
    pub fn take(&self, file: &mut File, expected: u64) -> io::Result<Content> {
        let mut buffer = vec![0; usize::try_from(expected.clamp(4096, 1 << 18)).unwrap_or(1 << 18) + 1];
        let (mut plain, mut content_hash, mut size) = (Sha256::new(), ContentHash::default(), 0u64);
        let mut incoming: Option<(PathBuf, File)> = None;
        let mut held = 0;
        loop {
            let read = file.read(&mut buffer[held..])?;
            if read == 0 {
                break;
            }
            plain.update(&buffer[held..held + read]);
            content_hash.update(&buffer[held..held + read]);
            size += read as u64;
            held += read;
            if held == buffer.len() {
                self.spill(&mut incoming, &buffer[..held])?;
                held = 0;
            }
        }
        let content = Content { sha256: Digest(plain.finalize().into()), content_hash: content_hash.finish(), size };
        let place = self.path(&content.sha256);
        if !place.exists() {
            self.spill(&mut incoming, &buffer[..held])?;
        }
        if let Some((temporary, _)) = incoming {
            if place.exists() { fs::remove_file(temporary)? } else { fs::rename(temporary, place)? }
        }
        Ok(content)
    }

    fn spill(&self, incoming: &mut Option<(PathBuf, File)>, bytes: &[u8]) -> io::Result<()> {
        if incoming.is_none() {
            let unique = self.unique.fetch_add(1, Ordering::Relaxed);
            let path = self.dir.join("incoming").join(unique.to_string());
            *incoming = Some((path.clone(), File::create(path)?));
        }
        match incoming {
            Some((_, file)) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// The store's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| u8::try_from(i % 251).expect("below 251")).collect()
    }

    #[test]
    fn content_hashes_are_those_of_the_reference() {
        let known = [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (2, "18401e66c2123497a0f993364d894bcebeaba670090c6e3047c1947c596ef395"),
            (4_194_304, "b9654428408015906b44a00935b70af33830aa344b780b0eabd535a133150d04"),
            (4_194_305, "4a6cc0a344febaa07772e7c974834b2fb1d24594d4ba15f27c97a54699709f44"),
        ];
        for (bytes, hash) in known {
            assert_eq!(ContentHash::of(&vector(bytes)).to_string(), hash, "{bytes} bytes");
        }
    }

    #[test]
    fn a_taken_content_is_kept_whole_and_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let blobs = Blobs::open(dir.path().join("blobs")).expect("a store");
        for (bytes, expected) in [(0, 0), (10, 10), (1 << 20, 1 << 20), (700_000, 5)] {
            let source = dir.path().join("source");
            fs::write(&source, vector(bytes)).expect("written");
            for _ in 0..2 {
                let content = blobs.take(&mut File::open(&source).expect("open"), expected).expect("taken");
                assert_eq!(content.sha256, Digest::sha256(vector(bytes)));
                assert_eq!(content.size, bytes as u64);
                assert_eq!(fs::read(blobs.path(&content.sha256)).expect("kept"), vector(bytes));
            }
        }
        assert_eq!(fs::read_dir(blobs.dir().join("incoming")).expect("listed").count(), 0);
    }
}
