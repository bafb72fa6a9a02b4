//! The example file says the truth.

use std::path::PathBuf;

use super::{EXAMPLE, good};

#[test]
fn the_example_is_valid_without_its_secrets_and_writes_the_true_defaults() {
    let example = good(EXAMPLE);
    let least = r#"
[dropbox]
app_key = "abcd1234efgh567"
[[tenancy]]
name = "acme"
url = "https://app.datatrails.ai"
client_id = "11111111-2222-3333-4444-555555555555"
client_secret_file = "acme.secret"
[[link]]
folder = "/Contracts"
"#;
    assert_eq!(example, good(least));
}

#[test]
fn the_lines_that_the_example_has_off_are_valid_and_write_the_true_defaults() {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key.to_owned(),
        _ => line.to_owned(),
    };
    let text = EXAMPLE.lines().map(on).collect::<Vec<_>>().join("\n");
    assert!(text.matches("\nca_file").count() == 2 && text.contains("\napi_url"), "nothing was switched on");
    let mut config = good(&text);
    let ca_file = Some(PathBuf::from("/etc/droptrail/ca.pem"));
    assert_eq!((&config.dropbox.ca_file, &config.tenancies[0].ca_file), (&ca_file, &ca_file));
    assert_eq!(config.dropbox.app_secret_file.take(), Some(PathBuf::from("/var/lib/droptrail/dropbox.secret")));
    config.dropbox.ca_file = None;
    config.tenancies[0].ca_file = None;
    assert_eq!(config, good(EXAMPLE));
}
