//! A held folder publishes only after a plain yes, and only the daemon acts on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use droptrail::daemon::Lock;
use droptrail::store::{Applied, Request, Store};
use serde_json::json;

use super::{Place, Planted, file, stderr};

/// A folder whose first listing would register two files where one is allowed.
async fn held(place: &Place) -> Planted {
    let planted = place.plant(&[("/Contracts", &[]), ("/Small", &[])]).await;
    let files = vec![file("a", "/Contracts/a", "1"), file("b", "/Contracts/b", "2")];
    let applied = planted.page("/Contracts", files, 1).await;
    assert!(matches!(applied, Applied::Written { held, .. } if held.len() == 1), "held");
    planted
}

async fn requests(place: &Place) -> Vec<Request> {
    let (store, _) = Store::open(&place.state()).expect("opened");
    let requests = store.requests().await.expect("read").into_iter().map(|(_, request)| request).collect();
    store.close().await;
    requests
}

#[tokio::test]
async fn a_no_or_the_end_of_the_input_is_a_refusal_and_changes_nothing() {
    let place = Place::new(&["/Contracts", "/Small"]);
    held(&place).await.close().await;
    for answer in ["no\n", "", "\n", "maybe\n"] {
        let output = place.run_with(&["approve", "/Contracts"], answer);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{answer:?}: {text}");
        assert!(text.contains("2 files of /Contracts will be recorded in tenancy acme, public for ever"), "{text}");
        assert!(text.contains("is not approved"), "{text}");
    }
    assert_eq!(requests(&place).await, []);
}

#[tokio::test]
async fn a_yes_is_left_for_the_daemon_to_find_when_it_starts() {
    let place = Place::new(&["/contracts", "/Small"]);
    held(&place).await.close().await;
    let output = place.run_with(&["approve", "/CONTRACTS/"], "yes\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no daemon runs") && text.contains("when it is started"), "{text}");
    let expected = Request::Approve("/Contracts".into());
    assert_eq!(requests(&place).await, std::slice::from_ref(&expected), "as the database spells it");

    let answer = place.json(&["approve", "/contracts", "--yes", "--json"], 0);
    assert_eq!(
        answer,
        json!({"folder": "/contracts", "approved": true, "links": [{"tenancy": "acme", "files": 2}], "running": false,
               "woken": false})
    );
    let (store, _) = Store::open(&place.state()).expect("opened");
    assert_eq!(store.approve("/Contracts").await.expect("written"), 1, "what the daemon does with it");
    store.close().await;
    let answer = place.json(&["approve", "/contracts", "--json"], 0);
    assert_eq!((&answer["approved"], &answer["links"]), (&json!(false), &json!([])), "nothing waits any more");
}

#[tokio::test]
async fn a_running_daemon_is_woken_by_sighup_after_the_request_is_written() {
    let place = Place::new(&["/Contracts"]);
    let planted = held(&place).await;
    let rung = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGHUP, rung.clone()).expect("registered");
    let _lock = Lock::take(&place.state()).expect("no other daemon");
    let text = place.text(&["approve", "/Contracts", "--yes"], 0);
    assert!(text.contains("2 files of /Contracts") && text.contains("goes on with it now"), "{text}");
    assert!(rung.load(Ordering::SeqCst), "this test holds the lock, so it is the daemon");
    let requests = planted.store.requests().await.expect("read");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_not_linked_is_refused_with_the_linked_ones_and_one_that_is_not_held_is_left_alone() {
    let place = Place::new(&["/Contracts", "/Small"]);
    for planted in [false, true] {
        if planted {
            held(&place).await.close().await;
        }
        let output = place.run(&["approve", "/Kontracts", "--yes"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("linked are: /Contracts, /Small"), "{}", stderr(&output));
        assert!(place.text(&["approve", "/Small"], 0).contains("nothing of /Small waits"));
    }
    assert_eq!(requests(&place).await, []);
}
