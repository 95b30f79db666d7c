//! What the in-process bus does at its bounds and at its end.

use exoclaw_bus::{
    Address, Bus, Closed, Envelope, Filter, InProcessBus, PublishError, Published, SubscribeError, limits,
};
use exoclaw_protocol::{Block, Origin};
use futures::FutureExt;

fn to() -> Address {
    Address::new(["in", "web"]).unwrap()
}

fn all() -> Filter {
    Filter::under(["in"]).unwrap()
}

fn envelope(id: usize, text: &str) -> Envelope {
    Envelope::new(id.to_string().parse().unwrap(), Origin::channel("web"), vec![Block::text(text)])
}

#[tokio::test]
async fn a_full_bus_refuses_and_drops_nothing() {
    let bus = InProcessBus::new();
    for id in 0..limits::MESSAGES {
        bus.publish(to(), envelope(id, "")).await.unwrap();
    }
    let refused = bus.publish(to(), envelope(limits::MESSAGES, "")).await.unwrap_err();
    assert!(matches!(refused, PublishError::Full(_)) && refused.is_retryable());
    assert_eq!(bus.publish(to(), envelope(0, "")).await.unwrap(), Published::Duplicate);

    let mut subscription = bus.subscribe(all()).await.unwrap();
    let first = subscription.next().await.unwrap();
    assert_eq!(first.envelope().id.as_str(), "0");
    // In a consumer's hands it still counts.
    assert!(bus.publish(to(), envelope(limits::MESSAGES, "")).await.is_err());
    first.done().await.unwrap();
    bus.publish(to(), envelope(limits::MESSAGES, "")).await.unwrap();
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let bus = InProcessBus::new();
    let mebibytes = 4;
    let text = "x".repeat(mebibytes << 20);
    let fit = (limits::BYTES >> 20) / mebibytes - 1;
    for id in 0..fit {
        bus.publish(to(), envelope(id, &text)).await.unwrap();
    }
    assert!(matches!(bus.publish(to(), envelope(fit, &text)).await, Err(PublishError::Full(_))));
    bus.publish(to(), envelope(fit, "small")).await.unwrap();
}

#[tokio::test]
async fn filters_are_bounded() {
    let bus = InProcessBus::new();
    let filter = |number: usize| Filter::one(Address::new(["out", &number.to_string()]).unwrap());
    let mut subscriptions = Vec::new();
    for number in 0..limits::FILTERS {
        subscriptions.push(bus.subscribe(filter(number)).await.unwrap());
    }
    assert!(matches!(bus.subscribe(filter(limits::FILTERS)).await, Err(SubscribeError::TooMany(_))));
    subscriptions.push(bus.subscribe(filter(0)).await.unwrap());
}

#[tokio::test]
async fn old_ids_are_forgotten() {
    let bus = InProcessBus::new();
    let mut subscription = bus.subscribe(all()).await.unwrap();
    for id in 0..=limits::REMEMBERED_IDS {
        bus.publish(to(), envelope(id, "")).await.unwrap();
        subscription.next().await.unwrap().done().await.unwrap();
    }
    assert_eq!(bus.publish(to(), envelope(1, "")).await.unwrap(), Published::Duplicate);
    assert_eq!(bus.publish(to(), envelope(0, "")).await.unwrap(), Published::New);
}

#[tokio::test]
async fn closing_ends_waits_and_refuses_the_rest() {
    let bus = InProcessBus::new();
    let mut one = bus.subscribe(all()).await.unwrap();
    let mut two = bus.subscribe(all()).await.unwrap();
    let (mut first, mut second) = (one.next(), two.next());
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    bus.close();
    assert_eq!((first.await.unwrap_err(), second.await.unwrap_err()), (Closed, Closed));
    assert!(matches!(bus.publish(to(), envelope(0, "")).await, Err(PublishError::Closed(_))));
    assert!(matches!(bus.subscribe(all()).await, Err(SubscribeError::Closed(_))));
}

/// Many publishers and consumers on many threads: everything arrives, each message is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_threads() {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 500;
    let bus = InProcessBus::new();
    let publishers = (0..PUBLISHERS).map(|publisher| {
        let bus = bus.clone();
        async move {
            for number in 0..EACH {
                bus.publish(to(), envelope(publisher * EACH + number, "x")).await.unwrap();
            }
        }
    });
    let consumers = (0..3).map(|_| {
        let bus = bus.clone();
        async move {
            let mut subscription = bus.subscribe(all()).await.unwrap();
            let mut done = Vec::new();
            while let Ok(delivery) = subscription.next().await {
                let id: usize = delivery.envelope().id.as_str().parse().unwrap();
                // Every third is dropped on its first delivery.
                if id.is_multiple_of(3) && delivery.attempt().get() == 1 {
                    continue;
                }
                done.push(id);
                delivery.done().await.unwrap();
                if bus.publish(to(), envelope(id, "")).await.is_ok_and(|published| published == Published::New) {
                    panic!("{id} was forgotten");
                }
            }
            done
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    consumers.for_each(|consumer| {
        tasks.spawn(consumer);
    });
    futures::future::join_all(publishers).await;
    let mut done = Vec::new();
    while bus.kept() > 0 {
        tokio::task::yield_now().await;
    }
    bus.close();
    while let Some(ids) = tasks.join_next().await {
        done.extend(ids.unwrap());
    }
    done.sort_unstable();
    assert_eq!(done, (0..PUBLISHERS * EACH).collect::<Vec<_>>());
}
