//! The faults of the simulated Dropbox, each in a line: for the command's help, and to tell a misspelt rule. Where each is
//! applied is found by its name.

/// Name and meaning. `value` and `text` are the rule's.
pub const KNOWN: &[(&str, &str)] = &[
    // Any request; the label is the route, as `files/list_folder/continue` or `oauth2/token`.
    ("hang", "wait `value` seconds (600), then answer"),
    ("cut", "cut the connection instead of answering"),
    ("cut_body", "cut the connection after `value` bytes (1) of the body"),
    ("status", "answer `value` (503) with an empty body; `text`: a Retry-After"),
    ("rate_limit", "429 for `value` seconds (1); `text`: json, text, json-no-header, text-no-header"),
    ("drop_header", "leave the header `text` out of the answer"),
    // Signing in.
    ("revoked_refresh", "oauth2/token: the refresh token is refused (400 invalid_grant)"),
    ("expired_token", "401, and the token stays expired"),
    ("invalid_token", "401 invalid_access_token"),
    ("missing_scope", "401 missing_scope; `text`: only on routes that need this scope"),
    ("app_scope", "400, the app lacks the scope"),
    ("user_suspended", "401 user_suspended"),
    ("invalid_root", "422 invalid_root; `text`: becomes the account's root namespace"),
    // Cursors and pages.
    ("reset", "continue, longpoll: 409 reset"),
    ("other", "continue, longpoll: 409 other"),
    ("path_not_found", "continue, longpoll: 409 path/not_found"),
    ("bad_cursor", "continue, longpoll: 400"),
    ("rename_breaks", "a renamed folder is path/not_found to its cursors, instead of being followed"),
    ("page_size", "`value` entries (1) to a page"),
    ("empty_page", "a page without entries, and has_more"),
    ("cursor_stuck", "has_more, and the cursor that was sent"),
    ("child_before_parent", "deeper entries first"),
    ("reverse_move", "additions before deletions, in a drain that begins now"),
    ("duplicate_entries", "each entry twice"),
    ("delete_then_add", "each file preceded by its deletion"),
    // The doorbell.
    ("spurious_ring", "ring after `value` seconds (0) for nothing"),
    ("imprecise_ring", "ring for a change anywhere in the account"),
    ("missed_ring", "do not ring"),
    ("backoff", "ask for `value` seconds (5) before the next longpoll"),
    // Entries; the label is the route and the entry's path, each entry counts, `text` is part of the path.
    ("no_content_hash", "no content_hash"),
    ("not_downloadable", "is_downloadable false; downloading is unsupported_file"),
    ("symlink", "a file has symlink_info"),
    ("size", "a size of `value` bytes (5 GiB)"),
    ("path_case", "the parents in path_display are wrongly cased"),
    ("null_path", "path_lower and path_display are null"),
    ("unknown_tag", "a .tag that nobody knows"),
    ("extra_fields", "fields that nobody knows"),
    // Downloads; label and `text` as for entries.
    ("restricted", "409 path/restricted_content"),
    ("truncate_download", "only `value` bytes (half), as if they were all"),
    ("wrong_hash_header", "a wrong content_hash in Dropbox-API-Result"),
    ("replaced_between", "the content of another revision, honestly described"),
    ("range_416", "an unsatisfiable range is 416, not 409"),
    // The folder.
    ("share_conversion", "once, when the rule is read: the tree `text` again with new ids"),
    ("move_new_rev", "a move changes the rev"),
    (
        "restore_same_id",
        "a file that comes back has its old id; `text` = rev: and its old rev, if the content is the same",
    ),
];

/// The list, for people.
pub fn help() -> String {
    let mut help = String::from(
        "Faults of the simulated Dropbox (a [[dropbox]] rule in --faults FILE: fault, on = part of the label, after, times, every, \
         probability, value, text):\n",
    );
    for (name, meaning) in KNOWN {
        help.push_str(&format!("  {name:20} {meaning}\n"));
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_applied_somewhere_and_none_twice_named() {
        let sources = [
            include_str!("download.rs"),
            include_str!("files.rs"),
            include_str!("longpoll.rs"),
            include_str!("mangle.rs"),
            include_str!("mod.rs"),
            include_str!("oauth.rs"),
            include_str!("scan.rs"),
            include_str!("server.rs"),
        ];
        for (i, (name, _)) in KNOWN.iter().enumerate() {
            assert!(sources.iter().any(|source| source.contains(&format!("\"{name}\""))), "{name}");
            assert!(KNOWN[i + 1..].iter().all(|(other, _)| other != name), "{name}");
        }
    }
}
