//! Pages, their tokens, and listings that are cut short.

use serde_json::json;

use crate::support::{Answer, Tenant, World, column};

fn next(answer: &Answer) -> String {
    answer.json["next_page_token"].as_str().expect("always there").to_owned()
}

async fn filled(tenant: &Tenant) {
    for n in 0..7 {
        tenant.create(true, json!({"n": n.to_string(), "odd": (n % 2).to_string()})).await;
    }
}

#[tokio::test]
async fn a_page_token_carries_the_filters_whether_or_not_they_are_sent_along() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    filled(&tenant).await;
    for along in ["", "&attributes.odd=0"] {
        let mut answer = tenant.get("v2/assets?attributes.odd=0&page_size=2").await;
        let mut seen = column(&answer, "/attributes/n");
        while !next(&answer).is_empty() {
            let token = next(&answer);
            assert!(!token.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))), "{token}");
            answer = tenant.get(&format!("v2/assets?page_token={token}&page_size=2{along}")).await;
            seen.extend(column(&answer, "/attributes/n"));
        }
        assert_eq!(seen, ["6", "4", "2", "0"], "{along}");
    }
    // The first page's size holds where none is sent along.
    let first = tenant.get("v2/assets/-/events?page_size=3&order_by=SIMPLEHASHV1").await;
    let second = tenant.get(&format!("v2/assets/-/events?page_token={}", next(&first))).await;
    assert_eq!(column(&second, "/asset_attributes/n"), ["3", "4", "5"]);
}

#[tokio::test]
async fn records_that_come_meanwhile_neither_repeat_nor_hide_others() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    filled(&tenant).await;
    let first = tenant.get("v2/assets?page_size=3").await;
    tenant.create(true, json!({"n": "7"})).await;
    let second = tenant.get(&format!("v2/assets?page_size=9&page_token={}", next(&first))).await;
    assert_eq!(column(&first, "/attributes/n"), ["6", "5", "4"]);
    assert_eq!(column(&second, "/attributes/n"), ["3", "2", "1", "0"]);
}

#[tokio::test]
async fn a_page_token_of_another_listing_or_tenancy_or_a_forged_one_is_refused() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("acme").await, world.tenant("other").await);
    filled(&tenant).await;
    let token = next(&tenant.get("v2/assets?page_size=1").await);
    assert_eq!(tenant.get(&format!("v2/assets/-/events?page_token={token}")).await.status, 400);
    assert_eq!(other.get(&format!("v2/assets?page_token={token}")).await.status, 400);
    assert_eq!(tenant.get(&format!("v2/assets?page_token={token}AA")).await.status, 400);
    assert_eq!(tenant.get("v2/assets?page_token=junk").await.status, 400);
    assert_eq!(tenant.get(&format!("v2/assets?page_token={token}")).await.status, 200);
    assert_eq!(tenant.get("v2/assets?page_token=").await.status, 200);
}

#[tokio::test]
async fn without_a_page_size_a_listing_that_is_cut_short_says_so_with_206() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    filled(&tenant).await;
    let whole = tenant.get("v2/assets").await;
    assert_eq!((whole.status, whole.header("content-range")), (200, None));
    world.faults("[[ledger]]\nfault = 'truncate_206'\nvalue = 3");
    let cut = tenant.get("v2/assets").await;
    assert_eq!((cut.status, cut.header("content-range")), (206, Some("items 0-3/7")));
    assert_eq!(column(&cut, "/attributes/n"), ["6", "5", "4"]);
    let rest = tenant.get(&format!("v2/assets?page_size=10&page_token={}", next(&cut))).await;
    assert_eq!((rest.status, column(&rest, "/attributes/n").len()), (200, 4));
    assert_eq!(tenant.get("v2/assets?page_size=2").await.status, 200);
}

#[tokio::test]
async fn the_total_is_told_to_who_asks_and_to_nobody_else() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    filled(&tenant).await;
    let asked = tenant.get_with("v2/assets?attributes.odd=1&page_size=1", &[("X-Request-Total-Count", "true")]).await;
    assert_eq!(asked.header("x-total-count"), Some("3"));
    assert_eq!(column(&asked, "/attributes/n").len(), 1);
    assert_eq!(tenant.get("v2/assets?page_size=1").await.header("x-total-count"), None);
}

#[tokio::test]
async fn a_page_of_large_records_ends_early_and_the_next_goes_on() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let attributes: serde_json::Map<String, serde_json::Value> =
        (0..12).map(|n| (format!("k{n}"), serde_json::Value::String("x".repeat(4000)))).collect();
    for _ in 0..100 {
        tenant.create(false, json!(attributes)).await;
    }
    let first = tenant.get("v2/assets?page_size=1000").await;
    let shown = column(&first, "/identity");
    assert!(shown.len() < 100 && first.text.len() < 5 * 1024 * 1024, "{}", shown.len());
    let second = tenant.get(&format!("v2/assets?page_size=1000&page_token={}", next(&first))).await;
    assert_eq!(shown.len() + column(&second, "/identity").len(), 100);
    assert!(next(&second).is_empty());
}
