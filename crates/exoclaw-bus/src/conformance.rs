//! What every backend must do, as tests that a backend's own test binary takes over with [`conformance_tests!`].
//!
//! ```ignore
//! async fn fresh() -> (Arc<dyn Bus>, TempServer) { … }
//! exoclaw_bus::conformance_tests!(fresh);
//! ```
//!
//! [`conformance_tests!`]: crate::conformance_tests
#![expect(clippy::unwrap_used, reason = "the suite is test code, and panics are how a test fails")]

use std::{collections::BTreeSet, time::Duration};

use exoclaw_protocol::{Block, Origin};
use futures::FutureExt;

use crate::{Address, Bus, Delivery, Envelope, Filter, PublishError, Published, SubscribeError, Subscription, limits};

/// Makes one `#[tokio::test]` of each case. The argument is an async function that returns a pair: an `Arc<dyn Bus>`,
/// empty, and whatever must live as long as the test. It needs `tokio` with `macros` and `rt`.
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:expr) => {
        $crate::conformance_tests!(
            $fresh;
            an_envelope_arrives_as_it_was_sent,
            messages_wait_for_a_subscription,
            order_is_kept_for_one_consumer,
            what_is_not_settled_comes_again,
            what_is_given_back_comes_again,
            what_is_settled_never_comes_again,
            a_consumer_that_leaves_loses_nothing,
            a_dropped_wait_takes_no_message,
            each_message_goes_to_one_consumer,
            an_id_counts_once,
            filters_take_what_they_say,
            overlapping_filters_are_refused,
            a_message_that_is_too_large_is_refused,
            unsettled_messages_are_bounded,
        );
    };
    ($fresh:expr; $($case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (bus, _kept) = $fresh().await;
                $crate::conformance::ends(stringify!($case), $crate::conformance::$case(&*bus)).await;
            }
        )*
    };
}

/// A lost message shows as a wait without end; so does it fail a test instead of holding up all.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a case to its end.
pub async fn ends(name: &str, case: impl Future<Output = ()>) {
    let outcome = tokio::time::timeout(DEADLINE, case).await;
    assert!(outcome.is_ok(), "{name} waits for a message that does not come");
}

fn address(last: &str) -> Address {
    Address::new(["in", "slack", last]).unwrap()
}

fn all() -> Filter {
    Filter::under(["in"]).unwrap()
}

fn envelope(id: &str) -> Envelope {
    Envelope::new(id.parse().unwrap(), Origin::channel("slack"), vec![Block::text(format!("text of {id}"))])
}

async fn publish(bus: &dyn Bus, ids: &[&str]) {
    for id in ids {
        assert_eq!(bus.publish(address("a"), envelope(id)).await.unwrap(), Published::New, "{id}");
    }
}

async fn take(subscription: &mut dyn Subscription) -> (String, u32, Delivery) {
    let delivery = subscription.next().await.unwrap();
    (delivery.envelope().id.to_string(), delivery.attempt().get(), delivery)
}

/// Every field of an envelope survives, and its address.
pub async fn an_envelope_arrives_as_it_was_sent(bus: &dyn Bus) {
    let origin = Origin {
        account: Some("bot 1".into()),
        team: Some("T.1 > *".into()),
        guild: Some("\u{e9}".into()),
        peer: Some("group:C7".parse().unwrap()),
        ..Origin::channel("slack")
    };
    let to = Address::inbound(&origin).unwrap();
    let content = vec![Block::text("hi"), Block::Image { media_type: "image/png".into(), data: "AAAA".into() }];
    let sent = Envelope { reply: Some(address("reply")), ..Envelope::new("é 1".parse().unwrap(), origin, content) };
    let mut subscription = bus.subscribe(all()).await.unwrap();
    bus.publish(to.clone(), sent.clone()).await.unwrap();
    let delivery = subscription.next().await.unwrap();
    assert_eq!((delivery.address(), delivery.envelope(), delivery.attempt().get()), (&to, &sent, 1));
    delivery.done().await.unwrap();
}

/// Published before anyone subscribes, delivered all the same.
pub async fn messages_wait_for_a_subscription(bus: &dyn Bus) {
    publish(bus, &["1", "2"]).await;
    let mut subscription = bus.subscribe(all()).await.unwrap();
    for expected in ["1", "2"] {
        let (id, _, delivery) = take(&mut *subscription).await;
        assert_eq!(id, expected);
        delivery.done().await.unwrap();
    }
}

/// One consumer, one message at a time: the order of publishing.
pub async fn order_is_kept_for_one_consumer(bus: &dyn Bus) {
    let mut subscription = bus.subscribe(all()).await.unwrap();
    let ids: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    for id in &ids {
        publish(bus, &[id]).await;
    }
    for expected in &ids {
        let (id, _, delivery) = take(&mut *subscription).await;
        assert_eq!(&id, expected);
        delivery.done().await.unwrap();
    }
}

/// A consumer that crashes with a message in its hands.
pub async fn what_is_not_settled_comes_again(bus: &dyn Bus) {
    let mut subscription = bus.subscribe(all()).await.unwrap();
    publish(bus, &["1"]).await;
    for attempt in 1..4 {
        let (id, found, delivery) = take(&mut *subscription).await;
        assert_eq!((id.as_str(), found), ("1", attempt));
        drop(delivery);
    }
}

/// A consumer that says it can't do it now.
pub async fn what_is_given_back_comes_again(bus: &dyn Bus) {
    let mut subscription = bus.subscribe(all()).await.unwrap();
    publish(bus, &["1"]).await;
    let (_, _, delivery) = take(&mut *subscription).await;
    delivery.again().await.unwrap();
    let (id, attempt, delivery) = take(&mut *subscription).await;
    assert_eq!((id.as_str(), attempt), ("1", 2));
    delivery.done().await.unwrap();
}

/// Done or refused, neither is delivered again: what comes next is the next message.
pub async fn what_is_settled_never_comes_again(bus: &dyn Bus) {
    publish(bus, &["1", "2", "3"]).await;
    let mut subscription = bus.subscribe(all()).await.unwrap();
    take(&mut *subscription).await.2.done().await.unwrap();
    take(&mut *subscription).await.2.refuse().await.unwrap();
    drop(subscription);
    let mut another = bus.subscribe(all()).await.unwrap();
    let (id, attempt, delivery) = take(&mut *another).await;
    assert_eq!((id.as_str(), attempt), ("3", 1));
    delivery.done().await.unwrap();
}

/// What the last consumer left, waiting or in its hands, is there for the next one.
pub async fn a_consumer_that_leaves_loses_nothing(bus: &dyn Bus) {
    publish(bus, &["1", "2", "3"]).await;
    let mut first = bus.subscribe(all()).await.unwrap();
    let (_, _, held) = take(&mut *first).await;
    drop(first);
    let mut second = bus.subscribe(all()).await.unwrap();
    drop(held);
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let (id, _, delivery) = take(&mut *second).await;
        ids.insert(id);
        delivery.done().await.unwrap();
    }
    assert_eq!(ids, ["1", "2", "3"].map(str::to_owned).into());
}

/// As a `select!` drops it, at any time.
pub async fn a_dropped_wait_takes_no_message(bus: &dyn Bus) {
    let mut subscription = bus.subscribe(all()).await.unwrap();
    for round in 0..20 {
        let mut wait = subscription.next();
        assert!((&mut wait).now_or_never().is_none(), "a message from nowhere");
        let id = round.to_string();
        publish(bus, &[&id]).await;
        drop(wait);
        let (found, attempt, delivery) = take(&mut *subscription).await;
        assert_eq!((found, attempt), (id, 1));
        delivery.done().await.unwrap();
    }
}

/// Two consumers of one filter share; also when one is told and leaves.
pub async fn each_message_goes_to_one_consumer(bus: &dyn Bus) {
    let mut one = bus.subscribe(all()).await.unwrap();
    let mut two = bus.subscribe(all()).await.unwrap();
    publish(bus, &["1", "2"]).await;
    let (first, _, first_held) = take(&mut *one).await;
    let (second, _, second_held) = take(&mut *two).await;
    assert_eq!(BTreeSet::from([first, second]), ["1", "2"].map(str::to_owned).into());
    first_held.done().await.unwrap();
    second_held.done().await.unwrap();

    let mut waiting = one.next();
    assert!((&mut waiting).now_or_never().is_none());
    let mut other = two.next();
    assert!((&mut other).now_or_never().is_none());
    publish(bus, &["3"]).await;
    drop(waiting);
    drop(one);
    let delivery = other.await.unwrap();
    assert_eq!(delivery.envelope().id.as_str(), "3");
    delivery.done().await.unwrap();
}

/// Sending again is not sending twice, while the message waits, is in hand, and when it is done.
pub async fn an_id_counts_once(bus: &dyn Bus) {
    let mut subscription = bus.subscribe(all()).await.unwrap();
    publish(bus, &["1"]).await;
    let again = || bus.publish(address("a"), envelope("1"));
    assert_eq!(again().await.unwrap(), Published::Duplicate);
    let (_, _, delivery) = take(&mut *subscription).await;
    assert_eq!(again().await.unwrap(), Published::Duplicate);
    delivery.done().await.unwrap();
    assert_eq!(again().await.unwrap(), Published::Duplicate);
    publish(bus, &["2"]).await;
    let (id, _, delivery) = take(&mut *subscription).await;
    assert_eq!(id, "2");
    delivery.done().await.unwrap();
}

/// One address, or all under a beginning.
pub async fn filters_take_what_they_say(bus: &dyn Bus) {
    let mut one = bus.subscribe(Filter::one(address("a"))).await.unwrap();
    let mut under = bus.subscribe(Filter::under(["in", "slack", "b"]).unwrap()).await.unwrap();
    let deep = Address::new(["in", "slack", "b", "c", "d"]).unwrap();
    bus.publish(deep.clone(), envelope("deep")).await.unwrap();
    bus.publish(address("b"), envelope("for neither")).await.unwrap();
    bus.publish(address("a"), envelope("exact")).await.unwrap();
    let (id, _, delivery) = take(&mut *under).await;
    assert_eq!((id.as_str(), delivery.address()), ("deep", &deep));
    delivery.done().await.unwrap();
    let (id, _, delivery) = take(&mut *one).await;
    assert_eq!(id, "exact");
    delivery.done().await.unwrap();
    let mut rest = bus.subscribe(Filter::one(address("b"))).await.unwrap();
    let (id, _, delivery) = take(&mut *rest).await;
    assert_eq!(id, "for neither");
    delivery.done().await.unwrap();
}

/// No message may have two places to go to.
pub async fn overlapping_filters_are_refused(bus: &dyn Bus) {
    let slack = bus.subscribe(Filter::under(["in", "slack"]).unwrap()).await.unwrap();
    for filter in [all(), Filter::one(address("a")), Filter::under(["in", "slack", "a"]).unwrap()] {
        let refused = bus.subscribe(filter).await.err();
        assert!(matches!(refused, Some(SubscribeError::Overlap { .. })), "{refused:?}");
    }
    for filter in [Filter::under(["in", "slac"]).unwrap(), Filter::under(["in", "slacker"]).unwrap()] {
        assert!(bus.subscribe(filter).await.is_ok());
    }
    drop(slack);
    assert!(bus.subscribe(all()).await.is_ok());
}

/// The bound of one message.
pub async fn a_message_that_is_too_large_is_refused(bus: &dyn Bus) {
    let text = "x".repeat(exoclaw_protocol::limits::MESSAGE_BYTES);
    let large = Envelope { content: vec![Block::text(text)], ..envelope("large") };
    let refused = bus.publish(address("a"), large).await.unwrap_err();
    assert!(matches!(refused, PublishError::TooLarge { .. }) && !refused.is_retryable(), "{refused:?}");
    // Its id was not used up.
    publish(bus, &["large"]).await;
}

/// A consumer that settles nothing gets so many and no more, until it settles one.
pub async fn unsettled_messages_are_bounded(bus: &dyn Bus) {
    let mut subscription = bus.subscribe(all()).await.unwrap();
    for number in 0..=limits::IN_FLIGHT {
        publish(bus, &[&number.to_string()]).await;
    }
    let mut held = Vec::new();
    for _ in 0..limits::IN_FLIGHT {
        held.push(subscription.next().await.unwrap());
    }
    let mut wait = subscription.next();
    assert!((&mut wait).now_or_never().is_none(), "one too many");
    held.swap_remove(0).done().await.unwrap();
    let last = wait.await.unwrap();
    assert_eq!(last.envelope().id.as_str(), limits::IN_FLIGHT.to_string());
}
