//! What goes over the wire: nothing of a name to the ledger, no token where none belongs, nothing at rest.

use std::collections::BTreeSet;

use crate::support::{Proxy, Recorded, Stage, sha256};

const MIB: usize = 1 << 20;

/// Three hundred files: every awkward kind of name, sizes around a block's end, duplicates.
fn files() -> Vec<(String, String)> {
    let long = |letter: &str| letter.repeat(255);
    let odd = [
        "Budget 2026 (ENTWURF).xlsx".to_owned(),
        "📁 Ordner 🗝️/Schlüssel 🗝️.txt".to_owned(),
        "Zoe\u{308} decomposed.txt".to_owned(),
        "zwei\nzeilen.txt".to_owned(),
        "anführung\"und'strich'.txt".to_owned(),
        "prozent%20und+plus&gleich=.txt".to_owned(),
        long("w"),
        format!("{}/{}", long("q"), long("v")),
        format!("{}tief.txt", "hinab/".repeat(40)),
        "名前のない書類.pdf".to_owned(),
    ];
    let sizes = [0, 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 64 * MIB];
    let odd = odd.into_iter().enumerate().map(|(n, name)| (name, format!("odd {n}")));
    let sized = sizes.into_iter().map(|size| (format!("groesse/von-{size}-bytes.bin"), "x".repeat(size)));
    let many = (0..284).map(|n| (format!("ablage-{}/beleg-nummer-{n}.txt", n % 7), format!("content {}", n % 250)));
    odd.chain(sized).chain(many).collect()
}

/// The forms in which a part of a name could hide in a request.
fn forms(part: &str) -> Vec<Vec<u8>> {
    let percent: String = part.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let url: String = url::form_urlencoded::byte_serialize(part.as_bytes()).collect();
    let json = serde_json::Value::from(part).to_string();
    let escaped: String = part.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let hashed = [sha256(part), sha256(&part.to_lowercase())];
    let forms = [part, &percent, &url, json.trim_matches('"'), &escaped, &hex::encode(part)];
    let forms = forms.into_iter().chain(hashed.iter().map(String::as_str));
    forms.map(|form| form.to_lowercase().into_bytes()).collect()
}

#[test]
fn three_hundred_files_have_one_right_asset_each_and_nothing_of_a_name_or_path_goes_to_the_ledger() {
    let mut stage = Stage::new();
    let proxy = Proxy::start(stage.sandbox.url());
    let url = proxy.url().to_owned();
    stage.configure(|conf| conf.tenancies[0].url = url);
    let files = files();
    assert_eq!(files.len(), 300);
    for (path, content) in &files {
        stage.write(path, content);
    }
    stage.run();
    stage.quiet();
    stage.write(&files[0].0, "changed");
    stage.quiet();

    let assets = stage.ledger().assets();
    assets.iter().for_each(crate::support::Asset::assert_sound);
    let mut found: Vec<String> = assets.iter().map(|asset| asset.hashes()[0].to_owned()).collect();
    let mut expected: Vec<String> = files.iter().map(|(_, content)| sha256(content)).collect();
    found.sort();
    expected.sort();
    assert!(found == expected, "{} assets for {} files{}", found.len(), expected.len(), stage.scene());

    let mut secrets: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (path, _) in &files {
        let shown = format!("/{path}");
        for part in path.split('/').chain([path.as_str(), shown.as_str()]) {
            secrets.extend(forms(part));
        }
    }
    let own = stage.database();
    for id in own.texts("SELECT file_id FROM file", &[]).iter().chain(&own.texts("SELECT value FROM meta", &[])) {
        if id.contains(':') {
            secrets.extend(forms(id));
        }
    }
    let sent: Vec<Recorded> = proxy.recorded();
    assert!(sent.len() > 300);
    for request in &sent {
        assert!(request.raw.len() <= 8 * 1024, "{} bytes: {} {}", request.raw.len(), request.method, request.path);
    }
    // One long text, so that each secret is searched for once.
    let raw: Vec<u8> = sent.iter().flat_map(|request| request.raw.to_ascii_lowercase()).collect();
    let raw = String::from_utf8_lossy(&raw);
    for secret in &secrets {
        let secret = String::from_utf8_lossy(secret);
        assert!(!raw.contains(secret.as_ref()), "{secret} went to the ledger");
    }
}

#[test]
fn no_token_goes_with_a_longpoll_one_listing_call_runs_at_a_time_and_at_rest_nothing_is_asked() {
    let mut stage = Stage::new();
    for n in 0..30 {
        stage.write(&format!("f{n}.txt"), "same content");
    }
    stage.dropbox_fault("page_size", "value = 3");
    stage.configure(|conf| conf.dropbox = "longpoll = \"30s\"\npoll = \"2s\"\n".into());
    stage.run();
    stage.quiet();
    let calls = |part: &str| -> Vec<serde_json::Value> {
        let all = stage.sandbox.requests();
        all.into_iter().filter(|line| line["path"].as_str().is_some_and(|path| path.ends_with(part))).collect()
    };
    // A look without anything new: only the folder itself and its cursor are asked about, and nothing of the ledger.
    let before = stage.sandbox.requests().len();
    let looks = calls("list_folder/continue").len();
    stage.wait_until("the slow look", || calls("list_folder/continue").len() >= looks + 2);
    for line in &stage.sandbox.requests()[before..] {
        let path = line["path"].as_str().unwrap();
        let at_rest = ["list_folder/continue", "list_folder/longpoll", "get_metadata", "get_current_account"];
        assert!(at_rest.iter().any(|known| path.ends_with(known)), "at rest: {line}");
    }
    let longpolls = calls("list_folder/longpoll");
    assert!(!longpolls.is_empty());
    for line in &longpolls {
        assert!(line["headers"].get("authorization").is_none(), "{line}");
    }
    let number = |line: &serde_json::Value, name: &str| line[name].as_u64().unwrap();
    let mut spans: Vec<(u64, u64)> = [calls("files/list_folder"), calls("list_folder/continue")]
        .concat()
        .iter()
        .map(|line| (number(line, "ms"), number(line, "ms") + number(line, "duration_ms")))
        .collect();
    spans.sort_unstable();
    assert!(spans.len() > 10);
    // Whole milliseconds, rounded down.
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 1), "{spans:?}");
    assert_eq!(calls("files/download").len(), 1, "one content is read once");
    stage.stop();
}
