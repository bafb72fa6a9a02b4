//! Secrecy and completeness together: three hundred files of every size and name, every byte to the ledger recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use droptrail::digest::Digest;
use unicode_normalization::UnicodeNormalization as _;

use crate::support::more::wait_long;
use crate::support::stage::MAIN;
use crate::support::{Asset, Proxy, Stage};

const MIB: u64 = 1 << 20;
/// What no request to the ledger may exceed, head and all.
const REQUEST: usize = 8 * 1024;

/// The paths (below the folder) and sizes: each name tells itself apart from anything that a protocol says.
fn plan() -> Vec<(String, u64)> {
    let long = |mark: &str, fill: &str| {
        let mut name = mark.to_owned();
        while name.len() + fill.len() <= 255 {
            name.push_str(fill);
        }
        name.push_str(&"z".repeat(255 - name.len()));
        name
    };
    let deep = (0..40).map(|n| format!("Abgrund-{n:02}/")).collect::<String>();
    let mut plan = vec![
        ("Nullgrösse.txt".to_owned(), 0),
        ("Nullkopie.txt".to_owned(), 0),
        ("Vierlinge/genau vier.bin".to_owned(), 4 * MIB),
        ("Vierlinge/knapp darunter.bin".to_owned(), 4 * MIB - 1),
        ("Vierlinge/knapp darüber.bin".to_owned(), 4 * MIB + 1),
        ("Ungetüm/vierundsechzig.iso".to_owned(), 64 * MIB),
        ("Ungetüm/neunzehn.iso".to_owned(), 19 * MIB + 77),
        ("🦩 Flamingo 🎩/🧾 Quittung.pdf".to_owned(), 4099),
        ("zerlegt/Cafe\u{301} Ame\u{301}lie.doc".to_owned(), 512),
        ("zusammen/Café Zoë.doc".to_owned(), 512),
        ("Zeilen/erste Zeile\nzweite Zeile.txt".to_owned(), 77),
        ("Zeilen/Tabu\tlator.txt".to_owned(), 78),
        ("Zeichen/\"Gänsefuß\" & 100% + #7 = ?.txt".to_owned(), 79),
        (long("Langname-", "xylophon"), 80),
        (long("Langwelle-", "Ж"), 81),
        (long("Langbild-", "🐘"), 82),
        (format!("{deep}Bodensatz.txt"), 83),
        ("ŞEHİR/Straße ΣΑΣ.txt".to_owned(), 84),
    ];
    for n in plan.len()..300 {
        let folder = ["Zebrafink", "Quastenflosser", "Wiedehopf/Nestbau", "Axolotl 🦎"][n % 4];
        plan.push((format!("{folder}/Vertrag-{n:03}-Yggdrasil.txt"), 100 + n as u64 * 37 % 5000));
    }
    plan
}

/// A content that is this file's alone (but for the planned duplicates), sparse where it is large.
fn write(path: &Path, n: usize, size: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    // Every tenth of the small ones has the content of its neighbour.
    let marker = format!("Inhalt-Nummer-{} ", if n > 20 && n.is_multiple_of(10) { n - 1 } else { n });
    let marker = &marker.as_bytes()[..marker.len().min(size as usize)];
    file.write_all(marker).unwrap();
    file.seek(SeekFrom::Start(size - marker.len() as u64)).unwrap();
    file.write_all(marker).unwrap();
}

/// Texts that must not be sent in any form.
struct Forbidden(HashMap<[u8; 4], BTreeMap<Vec<u8>, String>>);

impl Forbidden {
    fn add_bytes(&mut self, form: Vec<u8>, what: &str) {
        let Some(key) = form.get(..4).and_then(|key| key.try_into().ok()) else { return };
        self.0.entry(key).or_default().entry(form).or_insert_with(|| what.to_owned());
    }

    /// Every form of a text: composed and decomposed, lower-cased, percent-encoded, as JSON escapes, hexadecimal, base64 at any
    /// offset, and its SHA-256.
    fn add(&mut self, text: &str) {
        let mut spellings: BTreeSet<String> =
            [text.to_owned(), text.nfc().collect(), text.nfd().collect()].into_iter().collect();
        spellings.extend(spellings.clone().iter().map(|text| text.to_lowercase()));
        for text in spellings {
            let what = format!("{text:?}");
            let mut forms = vec![
                text.clone(),
                percent(&text, false),
                percent(&text, true),
                escaped(&text),
                serde_json::to_string(&text).unwrap().trim_matches('"').to_owned(),
                hex::encode(&text),
            ];
            let digest = Digest::sha256(&text).0;
            forms.extend([hex::encode(digest), STANDARD_NO_PAD.encode(digest), URL_SAFE_NO_PAD.encode(digest)]);
            if text.len() > 6 {
                for offset in 0..3usize {
                    let shifted = ["", "a", "aa"][offset].to_owned() + &text;
                    let whole = shifted.len() / 3 * 3;
                    let encoded = STANDARD_NO_PAD.encode(&shifted.as_bytes()[..whole]);
                    forms.push(encoded[if offset == 0 { 0 } else { 4 }..].to_owned());
                }
            }
            for form in forms {
                for form in [form.to_lowercase(), form.to_uppercase(), form] {
                    self.add_bytes(form.into_bytes(), &what);
                }
            }
        }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        let at = |start: usize| {
            let forms = self.0.get::<[u8; 4]>(bytes[start..start + 4].try_into().unwrap())?;
            forms.iter().find(|(form, _)| bytes[start..].starts_with(form)).map(|(_, what)| what.clone())
        };
        (0..bytes.len().saturating_sub(3)).find_map(at)
    }
}

/// Percent-encoded: all but what never needs it, or really every byte.
fn percent(text: &str, all: bool) -> String {
    let plain = |byte: u8| !all && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// With `\uXXXX` for everything outside of ASCII, as careful writers of JSON do.
fn escaped(text: &str) -> String {
    let mut units = [0; 2];
    let escape = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    text.chars().map(escape).collect()
}

/// Undoes percent-encoding, and `+`.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

#[test]
fn three_hundred_files_of_every_size_and_name_become_one_public_asset_each_and_nothing_of_a_name_leaves() {
    let mut stage = Stage::new();
    let plan = plan();
    assert_eq!(plan.len(), 300);
    let mut contents: Vec<String> = Vec::new();
    for (n, (name, size)) in plan.iter().enumerate() {
        let path = stage.path(name);
        write(&path, n, *size);
        contents.push(Digest::sha256(fs::read(&path).unwrap()).to_string());
    }
    let proxy = Proxy::start(stage.sandbox.url());
    let url = proxy.url().to_owned();
    stage.configure(|conf| conf.tenancies[0].url = url);
    let refresh_token = stage.conf.refresh_token.clone();
    stage.run();
    wait_long(&stage, "three hundred assets", || {
        stage.database().open_publications() == Some(0) && stage.ledger().assets().len() >= plan.len()
    });
    stage.quiet();
    // A change and a rename, so that events and later look-ups are among the requests.
    stage.write("Zeilen/Neuzugang-Elster.txt", "Inhalt-Nummer-neu");
    stage.write("zusammen/Café Zoë.doc", "Inhalt-Nummer-anders");
    stage.rename("zerlegt", "umbenannt-Nachtigall");
    stage.quiet();
    stage.stop();

    let assets = stage.assets(MAIN);
    assets.iter().for_each(Asset::assert_sound);
    let mut found: Vec<&str> = assets.iter().map(|asset| asset.versions[0].hash()).collect();
    let new = crate::support::sha256("Inhalt-Nummer-neu");
    let mut expected: Vec<&str> = contents.iter().map(String::as_str).chain([new.as_str()]).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "one asset for each file, with the right SHA-256");
    assert!(expected.windows(2).any(|pair| pair[0] == pair[1]), "there are duplicates");
    let files: BTreeSet<&str> = assets.iter().map(Asset::file).collect();
    assert_eq!(files.len(), assets.len());
    let changed = crate::support::sha256("Inhalt-Nummer-anders");
    assert_eq!(assets.iter().filter(|asset| asset.hashes().last() == Some(&changed.as_str())).count(), 1);

    let mut forbidden = Forbidden(HashMap::new());
    let database = stage.database();
    for id in database.texts("SELECT file_id FROM file UNION SELECT rev FROM file", &[]) {
        forbidden.add(id.trim_start_matches("id:"));
    }
    let account = database.texts("SELECT value FROM meta WHERE key = 'account_id'", &[]);
    assert!(account[0].starts_with("dbid:"), "{account:?}");
    forbidden.add(&account[0]);
    forbidden.add(account[0].trim_start_matches("dbid:"));
    for text in
        ["sandbox@example.com", "@example", "Sandbox User", "Inhalt-Nummer", &refresh_token, &stage.conf.app_key]
    {
        forbidden.add(text);
    }
    let later = ["Zeilen/Neuzugang-Elster.txt", "umbenannt-Nachtigall/Cafe\u{301} Ame\u{301}lie.doc"];
    for name in plan.iter().map(|(name, _)| name.as_str()).chain(later) {
        forbidden.add(name);
        forbidden.add(&format!("/{name}"));
        for component in name.split('/') {
            forbidden.add(component);
            if let Some((stem, _)) = component.rsplit_once('.') {
                forbidden.add(stem);
            }
        }
    }
    // The search finds what it should: a name in each form.
    for sample in [
        "a quastenflosser b".to_owned(),
        percent("🦩 Flamingo 🎩", false),
        escaped("Café Zoë.doc"),
        hex::encode("Wiedehopf"),
        format!("x{}", STANDARD_NO_PAD.encode("??/Quastenflosser/??")),
        Digest::sha256("/Nullkopie.txt").to_string(),
    ] {
        assert!(forbidden.found_in(sample.as_bytes()).is_some(), "{sample}");
    }

    let requests = proxy.recorded();
    assert!(requests.iter().filter(|request| request.method == "POST").count() > 302);
    for request in &requests {
        let text = || String::from_utf8_lossy(&request.raw).into_owned();
        assert!(request.raw.len() <= REQUEST, "{} bytes: {}", request.raw.len(), text());
        let lower = String::from_utf8_lossy(&request.raw).to_lowercase().into_bytes();
        for form in [request.raw.clone(), lower, decoded(&request.raw)] {
            let found = forbidden.found_in(&form);
            assert!(found.is_none(), "{} is in a request to the ledger:\n{}", found.unwrap_or_default(), text());
        }
    }
}
