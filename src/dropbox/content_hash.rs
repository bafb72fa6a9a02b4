//! Both hashes of a file's content in one pass: SHA-256, and Dropbox's content hash. Pure computation: touches nothing.
//!
//! The content hash (<https://www.dropbox.com/developers/reference/content-hash>) is the SHA-256 over the concatenated
//! raw SHA-256 digests of the 4 MiB blocks. A file of one block or less needs its bytes hashed only once, because its one
//! block digest is the plain digest; above that, the state at the end of the first block serves both.

use std::io;

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Bytes of a block; only the last may be shorter.
const BLOCK: usize = 4 * 1024 * 1024;

/// What one streaming pass over a revision's content found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// Dropbox's content hash of the same bytes.
    pub content_hash: Digest,
    /// How many bytes there were.
    pub size: u64,
}

/// Takes content in chunks of any size and yields both hashes.
#[derive(Clone, Default)]
pub struct ContentHasher {
    /// Over all bytes.
    plain: Sha256,
    /// Over the present block; unused in the first one, where `plain` serves.
    block: Sha256,
    /// Over the digests of the finished blocks.
    blocks: Sha256,
    in_block: usize,
    size: u64,
}

impl ContentHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes it has seen.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.in_block));
            self.plain.update(now);
            if self.size >= BLOCK as u64 {
                self.block.update(now);
            }
            self.in_block += now.len();
            self.size += now.len() as u64;
            if self.in_block == BLOCK {
                self.end_block();
            }
            bytes = later;
        }
    }

    /// Ends the content. Of no bytes at all both hashes are [`Digest::EMPTY`], because there is no block.
    pub fn finish(mut self) -> Hashed {
        if self.in_block > 0 {
            self.end_block();
        }
        Hashed {
            sha256: Digest(self.plain.finalize().into()),
            content_hash: Digest(self.blocks.finalize().into()),
            size: self.size,
        }
    }

    fn end_block(&mut self) {
        let first = self.size <= BLOCK as u64;
        let digest = if first { self.plain.clone().finalize() } else { self.block.finalize_reset() };
        self.blocks.update(digest);
        self.in_block = 0;
    }
}

/// Hashes everything that `reader` gives, in constant memory.
///
/// # Errors
/// Those of the reader; an interrupted read is tried again.
pub fn hash_reader(mut reader: impl io::Read) -> io::Result<Hashed> {
    let mut hasher = ContentHasher::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn digest(hex: &str) -> Digest {
        hex.parse().expect("64 hex digits")
    }

    fn hashed(bytes: &[u8]) -> Hashed {
        let mut hasher = ContentHasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Byte `i` is `i mod 251`, so that no two blocks are alike.
    fn table_bytes(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8).collect()
    }

    /// By the definition, block by block, with nothing shared between the two hashes.
    fn by_definition(bytes: &[u8]) -> Hashed {
        let digests: Vec<u8> = bytes.chunks(BLOCK).flat_map(|block| Digest::sha256(block).0).collect();
        Hashed { sha256: Digest::sha256(bytes), content_hash: Digest::sha256(digests), size: bytes.len() as u64 }
    }

    #[test]
    fn the_block_digests_of_the_published_picture_combine_to_its_published_content_hash() {
        let blocks = [
            "2a846fa617c3361fc117e1c5c1e1838c336b6a5cef982c1a2d9bdf68f2f1992a",
            "c68469027410ea393eba6551b9fa1e26db775f00eae70a0c3c129a0011a39cf9",
            "7376192de020925ce6c5ef5a8a0405e931b0a9a8c75517aacd9ca24a8a56818b",
        ];
        let joined: Vec<u8> = blocks.iter().flat_map(|block| digest(block).0).collect();
        let published = digest("485291fa0ee50c016982abbfa943957bcd231aae0492ccbaa22c58e3997b35e0");
        assert_eq!(Digest::sha256(&joined), published);
        let hasher = ContentHasher { blocks: Sha256::new_with_prefix(&joined), size: 9_711_423, ..Default::default() };
        assert_eq!(hasher.finish().content_hash, published);
    }

    #[test]
    fn both_hashes_are_right_at_every_size_around_a_block_boundary() {
        #[rustfmt::skip]
        let table = [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "1406e05881e299367766d313e26c05564ec91bf721d31726bd6e46e60689539a", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "18401e66c2123497a0f993364d894bcebeaba670090c6e3047c1947c596ef395", "b413f47d13ee2fe6c845b2ee141af81de858df4ec549a58b7970bb96645bc8d2"),
            (65_536, "90df369a7383e1c6da72aa68c8f7fb6ab1ba311fad0f8bae602fee725c9f6596", "4b640d85ab3ba30fd02c9fc9db4a8928f416322ad27022ea58a65aaee68a4df2"),
            (4_194_303, "e1d05b9adf4293b7fec11b099ce74116fc06dfa733a9833be9166ab4c769da43", "8bc25f24c0f447466930cda6b0ac7405adc7f6348c50204caa9f9a5b6217ed42"),
            (4_194_304, "b9654428408015906b44a00935b70af33830aa344b780b0eabd535a133150d04", "a117210941a0b00dcb2d8577e680d84b6fa0eaf760d2afc654c953b9859d54fa"),
            (4_194_305, "4a6cc0a344febaa07772e7c974834b2fb1d24594d4ba15f27c97a54699709f44", "f4711f6bc42a8dc6520e30e306743855a82c7bdecd6e7d3edfb04b6f4524f7bd"),
            (8_388_607, "dc2a3b163e6f9b7ad135c5876c7dce26ba594580614c2ca929bd4b3e9aef36e7", "336c4f9863c8eeaf70121e79fc4ca0bbae4c885fa00c4cdc524212c78726c23f"),
            (8_388_608, "b76a633d9733b991a976dba723df6940bfaf789390a929fe8f68fd1b4705c8c1", "bdf23837181f5808331800c1ae2b4f7d7a839536b10d58491471c50dde23833a"),
            (8_388_609, "c84ee1d6377d71687c1cfe37be0897c4e351df175ea677ca2c918736a9cfb476", "0e060c393a4a670e1b7d48e0cd88cc75c5071866690c80c1dfd70807b02c191a"),
            (12_582_912, "664ecb456d20e76f56989ffe2da61db8101c01a954281050d0ef17a34d672a64", "b6967a4c54cdab8a16907be0774af71e5db8198045f91933ebed106ddba22dfb"),
            (12_582_913, "149e99e24e72463155b8fb7a457ac9413b77e0e43a903b9ec363cfe30a1a7a8d", "278d4dde14e33e3a02c55860fc33e54ed0967078845a2e5bf4276cf147c8e858"),
        ];
        for (size, content_hash, sha256) in table {
            let expected = Hashed { sha256: digest(sha256), content_hash: digest(content_hash), size: size as u64 };
            assert_eq!(hashed(&table_bytes(size)), expected, "{size} bytes");
        }
    }

    #[test]
    fn the_other_known_contents_have_their_known_content_hashes() {
        let hello = digest("9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
        let zeros = digest("c7e946d101855255d919ef0c70718633adf77d3dfb3adeeecf5d0cb4e951be58");
        let letters = digest("907a506cf5e706bda5c7a29b43c9c65d8344bd2fa2f22339b359c214812af5a1");
        assert_eq!(hashed(b"hello").content_hash, hello);
        assert_eq!(hashed(&vec![0; BLOCK]).content_hash, zeros);
        assert_eq!(hashed(&vec![b'a'; BLOCK]).content_hash, letters);
    }

    #[test]
    fn up_to_one_block_the_content_hash_is_the_hash_of_the_plain_digest() {
        for size in [1, 1000, BLOCK] {
            let found = hashed(&table_bytes(size));
            assert_eq!(found.content_hash, Digest::sha256(found.sha256.0));
        }
    }

    #[test]
    fn a_reader_is_hashed_to_its_end_and_its_error_is_passed_on() {
        let bytes = table_bytes(BLOCK + 77);
        assert_eq!(hash_reader(&bytes[..]).expect("readable"), hashed(&bytes));
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk gone"))
            }
        }
        let err = hash_reader(bytes.chain(Broken)).expect_err("the reader failed");
        assert_eq!(err.to_string(), "disk gone");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn how_content_is_cut_into_chunks_changes_nothing(
            size in 0usize..(2 * BLOCK + 3), cuts in proptest::collection::vec(1usize..3_000_000, 1..8)
        ) {
            let bytes = table_bytes(size);
            let mut hasher = ContentHasher::new();
            let (mut rest, mut cuts) = (&bytes[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().expect("endless").min(rest.len()));
                hasher.update(now);
                rest = later;
            }
            prop_assert_eq!(hasher.finish(), by_definition(&bytes));
        }
    }
}
