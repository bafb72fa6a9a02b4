//! Every wrong key, type and value is answered with the file, the line, the key and the mend.

use std::time::Duration;

use droptrail::config::{Hash, LogFormat, Names, Root};

use super::{BASE, FILE, NEXT, good, parse, refused, with};

#[test]
fn every_unknown_key_is_refused_at_its_line_and_the_near_one_is_named() {
    refused(&format!("colour = 1\n{BASE}"), 1, "colour", "not a key outside of the tables");
    refused(&format!("\n\nstate_dri = \"/x\"\n{BASE}"), 3, "state_dri", "did you mean \"state_dir\"?");
    refused(&BASE.replace("[[tenancy]]", "longpol = \"2m\"\n[[tenancy]]"), 3, "dropbox.longpol", "\"longpoll\"");
    for table in ["publish", "retry", "log"] {
        refused(&format!("{BASE}[{table}]\n\nxyzzy = 1\n"), NEXT + 2, &format!("{table}.xyzzy"), "is not a key in");
    }
    refused(&format!("{BASE}[[link]]\nfolder = \"/a\"\nexcludes = []\n"), NEXT + 2, "link.excludes", "\"exclude\"");
    refused(&format!("{BASE}secret = \"hunter2\"\n"), NEXT, "tenancy.secret", "is not a key in [tenancy]");
    refused(&format!("{BASE}[links]\n"), NEXT, "links", "did you mean \"link\"?");
    refused(&format!("{BASE}\"a\\nb\" = 1\n"), NEXT, "tenancy.a\\nb", "is not a key");
}

#[test]
fn a_secret_written_into_the_configuration_is_refused_and_never_repeated() {
    for text in [
        format!("{BASE}client_secret = \"hunter2\"\n"),
        BASE.replace("app_key", "app_secret = \"hunter2\"\napp_key"),
        with("url", "url = \"https://me:hunter2@host\""),
        with("url", "url = \"https://host/?token=hunter2\""),
        format!("{BASE}client_secret = \"hunter2\n"),
        format!("{BASE}client_secret = hunter2\n"),
    ] {
        let error = parse(&text).expect_err(&text).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    refused(&format!("{BASE}client_secret = \"x\"\n"), NEXT, "tenancy.client_secret", "client_secret_file");
}

#[test]
fn text_that_is_not_toml_is_refused_at_its_line() {
    for (text, line) in
        [("a = \"", 1), ("\n[dropbox", 2), ("[dropbox]\napp_key = \"a\"\napp_key = \"b\"\n", 3), ("a = 1\n= 2\n", 2)]
    {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.starts_with(&format!("{FILE}:{line}: ")), "{error}\n---\n{text}");
        assert!(error.contains("not valid TOML"), "{error}");
    }
}

#[test]
fn every_missing_key_is_named_with_what_to_write() {
    refused("", 1, "dropbox.app_key", "write the key of your Dropbox app");
    refused("\n\n[dropbox]\n", 3, "dropbox.app_key", "is missing");
    for (key, mend) in
        [("name", "acme"), ("url", "base URL"), ("client_id", "integration"), ("client_secret_file", "secret")]
    {
        refused(&with(key, ""), 3, &format!("tenancy.{key}"), mend);
    }
    refused(&format!("{BASE}\n[[link]]\n"), NEXT + 1, "link.folder", "/Contracts");
}

#[test]
fn every_wrong_type_is_refused_with_the_right_one() {
    let keys = [
        (
            "dropbox",
            "refresh_token_file app_secret_file root api_url content_url notify_url www_url longpoll poll timeout ca_file",
        ),
        ("publish", "hash revisions on_delete names settle"),
        ("retry", "initial max"),
        ("log", "level format"),
    ];
    for (table, keys) in keys {
        for key in keys.split(' ') {
            for (value, found) in
                [("1", "an integer"), ("1.5", "a float"), ("true", "a boolean"), ("[]", "an array"), ("{}", "a table")]
            {
                let text = if table == "dropbox" {
                    BASE.replace("app_key = \"key\"\n", &format!("app_key = \"key\"\n{key} = {value}\n"))
                } else {
                    format!("{BASE}[{table}]\n{key} = {value}\n")
                };
                let line = if table == "dropbox" { 3 } else { NEXT + 1 };
                let name = format!("{table}.{key}");
                refused(&text, line, &name, found);
                refused(&text, line, &name, "write a string in quotes");
            }
        }
    }
    for (line, key) in [(2, "app_key"), (4, "name"), (5, "url"), (6, "client_id"), (7, "client_secret_file")] {
        let table = if line == 2 { "dropbox" } else { "tenancy" };
        refused(&with(key, &format!("{key} = 1")), line, &format!("{table}.{key}"), "string");
    }
    refused(&format!("state_dir = 1\n{BASE}"), 1, "state_dir", "string");
    for key in ["concurrency", "downloads", "hold_above"] {
        for value in ["\"8\"", "1.0", "true"] {
            refused(
                &format!("{BASE}[publish]\n{key} = {value}\n"),
                NEXT + 1,
                &format!("publish.{key}"),
                "whole number",
            );
        }
    }
    refused(&format!("{BASE}[log]\npaths = \"no\"\n"), NEXT + 1, "log.paths", "true or false");
    refused(&format!("{BASE}[[link]]\nfolder = 1\n"), NEXT + 1, "link.folder", "string");
    refused(&format!("{BASE}[[link]]\nfolder = \"/a\"\nexclude = \"x\"\n"), NEXT + 2, "link.exclude", "array");
    refused(
        &format!("{BASE}[[link]]\nfolder = \"/a\"\nexclude = [\n\"x\",\n1]\n"),
        NEXT + 4,
        "link.exclude",
        "array of strings",
    );
    refused("dropbox = 1\n", 1, "dropbox", "a table, [dropbox]");
    refused("[[dropbox]]\napp_key = \"a\"\n", 1, "dropbox", "write [dropbox], not [[dropbox]]");
    refused("[dropbox]\napp_key = \"a\"\n[tenancy]\nname = \"a\"\n", 3, "tenancy", "[[tenancy]]");
    refused("link = [1]\n[dropbox]\napp_key = \"a\"\n", 1, "link", "[[link]]");
}

#[test]
fn durations_are_an_integer_and_a_unit_within_their_range() {
    let longpoll = |value: &str| BASE.replace("\"key\"\n", &format!("\"key\"\nlongpoll = \"{value}\"\n"));
    assert_eq!(
        parse(&longpoll("5x")).expect_err("no unit").to_string(),
        format!(
            "{FILE}:3: dropbox.longpoll: \"5x\" is not a duration: write an integer and ms, s, m or h, for example \"2m\""
        )
    );
    for bad in ["", "2", "m", "1.5m", "-1m", "+1m", "2 m", " 2m", "2M", "2min", "1m30s", "٣٠s"] {
        refused(&longpoll(bad), 3, "dropbox.longpoll", "is not a duration");
    }
    for (bad, part) in [("29s", "at least \"30s\""), ("481s", "at most \"8m\""), ("0s", "at least"), ("9m", "at most")]
    {
        refused(&longpoll(bad), 3, "dropbox.longpoll", part);
    }
    for (fine, seconds) in [("30s", 30), ("8m", 480), ("480000ms", 480), ("045s", 45)] {
        assert_eq!(good(&longpoll(fine)).dropbox.longpoll, Duration::from_secs(seconds));
    }
    let dropbox = |key: &str, value: &str| BASE.replace("\"key\"\n", &format!("\"key\"\n{key} = \"{value}\"\n"));
    refused(&dropbox("poll", "999ms"), 3, "dropbox.poll", "at least \"1s\"");
    refused(&dropbox("timeout", "0s"), 3, "dropbox.timeout", "at least");
    for huge in ["8761h", "99999999999999999999s", "18446744073709551615h"] {
        refused(&dropbox("poll", huge), 3, "dropbox.poll", "too long");
    }
    assert_eq!(good(&dropbox("poll", "1s")).dropbox.poll, Duration::from_secs(1));
    refused(&format!("{BASE}timeout = \"0ms\"\n"), NEXT, "tenancy.timeout", "at least");
    refused(&format!("{BASE}[publish]\nsettle = \"0s\"\n"), NEXT + 1, "publish.settle", "at least");
    for key in ["initial", "max"] {
        refused(&format!("{BASE}[retry]\n{key} = \"0s\"\n"), NEXT + 1, &format!("retry.{key}"), "at least");
    }
    refused(&format!("{BASE}[retry]\ninitial = \"2m\"\nmax = \"1m\"\n"), NEXT + 2, "retry.max", "longer than");
    refused(&format!("{BASE}[retry]\ninitial = \"1h\"\n"), NEXT + 1, "retry.initial", "longer than");
    assert_eq!(good(&format!("{BASE}[retry]\ninitial = \"1m\"\nmax = \"1m\"\n")).retry.max, Duration::from_secs(60));
}

#[test]
fn urls_are_scheme_host_and_port_and_plain_http_stays_on_this_machine() {
    for (fine, is) in [
        ("https://host", "https://host/"),
        ("https://host/", "https://host/"),
        ("https://Host:8443/", "https://host:8443/"),
        ("http://127.0.0.1:80", "http://127.0.0.1/"),
        ("http://127.9.9.9:1234", "http://127.9.9.9:1234/"),
        ("http://[::1]:1234/", "http://[::1]:1234/"),
        ("http://localhost:1234", "http://localhost:1234/"),
        ("HTTPS://bücher.example", "https://xn--bcher-kva.example/"),
    ] {
        let config = good(&with("url", &format!("url = \"{fine}\"")));
        assert_eq!(config.tenancies[0].url.as_str(), is);
    }
    for (bad, part) in [
        ("", "does not begin with"),
        ("host", "does not begin with"),
        ("ftp://host", "does not begin with"),
        ("https:host", "does not begin with"),
        ("https://", "names no host"),
        ("https:///path", "names no host"),
        ("https://host/path", "has a path"),
        ("https://host//", "has a path"),
        ("https://host/..", "has a path"),
        ("https://host?x", "no query"),
        ("https://host/#x", "no fragment"),
        ("https://user@host", "no user name"),
        ("https://@host", "no user name"),
        ("https://host:0", "port 0"),
        ("https://host:99999", "is not a URL"),
        ("https://ho st", "no URL has"),
        (" https://host", "no URL has"),
        ("https:\\\\\\\\host", "no URL has"),
        ("http://host", "loopback addresses only"),
        ("http://10.0.0.1", "loopback addresses only"),
        ("http://127.0.0.1.example.com", "loopback addresses only"),
        ("http://[::2]", "loopback addresses only"),
        ("http://localhost.example.com", "loopback addresses only"),
    ] {
        refused(&with("url", &format!("url = \"{bad}\"")), 5, "tenancy.url", part);
    }
    for key in ["api_url", "content_url", "notify_url", "www_url"] {
        let text = BASE.replace("\"key\"\n", &format!("\"key\"\n{key} = \"http://example.com\"\n"));
        refused(&text, 3, &format!("dropbox.{key}"), "loopback");
    }
}

#[test]
fn links_are_folders_of_known_tenancies_each_pair_once() {
    let link = |rest: &str| format!("{BASE}[[link]]\n{rest}\n");
    let config = good(&link("folder = \"/Contracts\"\nexclude = [\"**/~$*\"]"));
    assert_eq!(config.links[0].tenancy, "acme", "the only tenancy need not be named");
    assert_eq!(config.links[0].exclude, ["**/~$*"]);
    for (bad, part) in [
        ("Contracts", "does not begin with \"/\""),
        ("", "does not begin"),
        ("/a/", "leave out the last slash"),
        ("/a//b", "one slash"),
        ("/a/../b", "full path"),
        ("/a /b", "white space"),
        ("/a\\u0007b", "control characters"),
        ("/a\\\\b", "backslash"),
    ] {
        refused(&link(&format!("folder = \"{bad}\"")), NEXT + 1, "link.folder", part);
    }
    refused(&link("folder = \"/a\"\ntenancy = \"amce\""), NEXT + 2, "link.tenancy", "acme");
    refused(&link("folder = \"/a\"\nexclude = [\"[\"]"), NEXT + 2, "link.exclude", "is not a glob");
    refused(
        &link("folder = \"/a\"\n[[link]]\nfolder = \"/A\"\ntenancy = \"acme\""),
        NEXT + 3,
        "link.folder",
        "already",
    );
    refused("[dropbox]\napp_key = \"a\"\n[[link]]\nfolder = \"/a\"\n", 3, "link.tenancy", "add one");
    let second = "[[tenancy]]\nname = \"beta\"\nurl = \"https://b\"\nclient_id = \"i\"\nclient_secret_file = \"s\"\n";
    refused(&format!("{BASE}{second}[[link]]\nfolder = \"/a\"\n"), NEXT + 5, "link.tenancy", "several");
    let both = "[[link]]\nfolder = \"/a\"\ntenancy = \"acme\"\n[[link]]\nfolder = \"/a\"\ntenancy = \"beta\"\n";
    assert_eq!(good(&format!("{BASE}{second}{both}")).links.len(), 2, "one folder may go to two tenancies");
    refused(&format!("{BASE}{}", second.replace("beta", "acme")), NEXT + 1, "tenancy.name", "another tenancy");
}

#[test]
fn one_tenancy_under_two_names_is_refused_at_the_second() {
    let second = |url: &str, client_id: &str| {
        format!(
            "{BASE}[[tenancy]]\nname = \"b\"\nurl = \"{url}\"\nclient_id = \"{client_id}\"\nclient_secret_file = \"s\"\n"
        )
    };
    for url in ["https://app.datatrails.ai", "https://APP.datatrails.ai:443/"] {
        refused(&second(url, "id"), NEXT + 3, "tenancy.client_id", "is tenancy \"acme\" already");
    }
    assert_eq!(good(&second("https://app.datatrails.ai", "id2")).tenancies.len(), 2);
    assert_eq!(good(&second("https://app.rkvst.io", "id")).tenancies.len(), 2);
}

#[test]
fn words_names_numbers_and_levels_are_checked() {
    let publish = |line: &str| format!("{BASE}[publish]\n{line}\n");
    refused(&publish("hash = \"md5\""), NEXT + 1, "publish.hash", "\"sha256\" or \"dropbox\"");
    refused(&publish("names = \"real\""), NEXT + 1, "publish.names", "\"masked\" or \"clear\"");
    refused(&publish("revisions = \"every\""), NEXT + 1, "publish.revisions", "comes with a later version");
    refused(&publish("revisions = \"all\""), NEXT + 1, "publish.revisions", "write \"latest\"");
    refused(&publish("on_delete = \"withdraw\""), NEXT + 1, "publish.on_delete", "comes with a later version");
    refused(&publish("on_delete = \"drop\""), NEXT + 1, "publish.on_delete", "write \"keep\"");
    for key in ["concurrency", "downloads"] {
        for value in ["0", "65", "-1", "99999999999999999999"] {
            refused(&publish(&format!("{key} = {value}")), NEXT + 1, &format!("publish.{key}"), "from 1 to 64");
        }
    }
    refused(&publish("hold_above = -1"), NEXT + 1, "publish.hold_above", "from 0 to");
    let fine = "hash = \"dropbox\"\nnames = \"clear\"\nrevisions = \"latest\"\non_delete = \"keep\"\nconcurrency = 64\n\
                downloads = 0x01\nhold_above = 0";
    let config = good(&publish(fine)).publish;
    assert_eq!((config.hash, config.names, config.hold_above), (Hash::Dropbox, Names::Clear, 0));
    assert_eq!((config.concurrency, config.downloads), (64, 1));

    for bad in ["", "a b", "acme/x", "ä"] {
        refused(&with("name", &format!("name = \"{bad}\"")), 4, "tenancy.name", "letters, digits");
    }
    for (key, line, table) in [("app_key", 2, "dropbox"), ("client_id", 6, "tenancy")] {
        for bad in ["", " ", "…", "a\\nb"] {
            refused(
                &with(key, &format!("{key} = \"{bad}\"")),
                line,
                &format!("{table}.{key}"),
                "as the service shows it",
            );
        }
    }
    let root = |value: &str| BASE.replace("\"key\"\n", &format!("\"key\"\nroot = \"{value}\"\n"));
    assert_eq!(good(&root("home")).dropbox.root, Root::Home);
    assert_eq!(good(&root("123")).dropbox.root, Root::Namespace("123".into()));
    for bad in ["", "Auto", "-1", "12a", "٣", "ns:1"] {
        refused(&root(bad), 3, "dropbox.root", "namespace id");
    }
    let log = |line: &str| format!("{BASE}[log]\n{line}\n");
    for fine in ["off", "trace", "info,droptrail::dropbox=debug", "droptrail=debug"] {
        assert_eq!(good(&log(&format!("level = \"{fine}\""))).log.level, fine);
    }
    for bad in ["", "loud", "info,loud", "droptrail=loud", "[", "info,,"] {
        refused(&log(&format!("level = \"{bad}\"")), NEXT + 1, "log.level", "off, error, warn");
    }
    refused(&log("format = \"xml\""), NEXT + 1, "log.format", "\"auto\" or \"text\" or \"json\"");
    assert_eq!(good(&log("format = \"json\"\npaths = false")).log.format, LogFormat::Json);
}
