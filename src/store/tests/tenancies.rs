//! Which row a tenancy of the configuration is.

use super::fixtures::*;
use crate::store::TenancyWanted;

fn wanted(name: &str, account: &str) -> TenancyWanted {
    TenancyWanted { name: name.into(), url: format!("https://{account}.example"), client_id: account.into() }
}

async fn sync(home: &Home, tenancies: &[(&str, &str)]) {
    let tenancies = tenancies.iter().map(|(name, account)| wanted(name, account)).collect();
    home.store.sync(tenancies, vec![]).await.expect("synced");
}

async fn rows(home: &Home, names: &[&str]) -> Vec<i64> {
    let mut rows = Vec::new();
    for name in names {
        rows.push(home.tenancy(name).await.row());
    }
    rows
}

#[tokio::test]
async fn a_renamed_tenancy_keeps_its_row_although_its_old_name_was_given_to_another_account() {
    for turned in [false, true] {
        let home = Home::linked(&[]).await;
        sync(&home, &[("acme", "ours")]).await;
        let ours = home.tenancy("acme").await;
        let mut renamed = vec![("acme", "foreign"), ("x", "ours")];
        if turned {
            renamed.reverse();
        }
        sync(&home, &renamed).await;
        assert_eq!(home.tenancy("x").await, ours, "turned: {turned}");
        assert_ne!(home.tenancy("acme").await, ours);
    }
}

#[tokio::test]
async fn two_tenancies_that_swap_their_names_keep_their_rows() {
    let home = Home::linked(&[]).await;
    sync(&home, &[("a", "one"), ("b", "two")]).await;
    let before = rows(&home, &["a", "b"]).await;
    sync(&home, &[("a", "two"), ("b", "one")]).await;
    assert_eq!(rows(&home, &["b", "a"]).await, before);
}

#[tokio::test]
async fn a_tenancy_that_did_not_change_is_never_taken_for_one_that_was_renamed() {
    let home = Home::linked(&[]).await;
    sync(&home, &[("a", "one"), ("b", "one")]).await;
    let before = rows(&home, &["a", "b"]).await;
    sync(&home, &[("c", "one"), ("a", "one")]).await;
    assert_eq!(rows(&home, &["a", "c"]).await, before);
}

#[tokio::test]
async fn a_tenancy_under_another_url_keeps_the_row_of_its_name_that_was_connected_last() {
    let home = Home::linked(&[]).await;
    sync(&home, &[("a", "old"), ("b", "new")]).await;
    let new = home.tenancy("b").await;
    sync(&home, &[("a", "new")]).await;
    assert_eq!(home.tenancy("a").await, new, "renamed; the old one of that name is disconnected");
    sync(&home, &[("a", "moved")]).await;
    assert_eq!(home.tenancy("a").await, new);
    sync(&home, &[]).await;
    sync(&home, &[("a", "moved")]).await;
    assert_eq!(home.tenancy("a").await, new, "connected again");
}
