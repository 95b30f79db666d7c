use exoclaw_protocol::{Money, Spent, Usage};

use super::samples::{accepted, accepted_by, session, step};
use crate::{Spending, Store};

const DAY_MS: u64 = 86_400_000;

fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage { input_tokens, output_tokens, ..Usage::default() }
}

fn spending(day: u64, agent: &str, credential: Option<&str>, spent: Spent) -> Spending {
    Spending { day, agent: agent.parse().unwrap(), credential: credential.map(|name| name.parse().unwrap()), spent }
}

/// Steps are added up by day, agent and credential: those of all sessions, or of one.
pub async fn what_was_spent_is_summed_up(store: &dyn Store) {
    let cent = Some("0.01".parse::<Money>().unwrap());
    let (one, two, other) = (session("one"), session("two"), "agent:other:one".parse().unwrap());
    store.append(&one, 0, vec![accepted_by("a", "phone"), step("a", usage(1, 2), cent)]).await.unwrap();
    store.append(&one, DAY_MS - 1, vec![step("a", usage(10, 20), cent)]).await.unwrap();
    store.append(&one, DAY_MS, vec![accepted("b"), step("b", usage(100, 0), None)]).await.unwrap();
    store.append(&two, DAY_MS, vec![accepted_by("a", "phone"), step("a", usage(7, 0), cent)]).await.unwrap();
    store.append(&two, DAY_MS, vec![accepted("b"), step("b", usage(5, 0), cent)]).await.unwrap();
    store.append(&other, DAY_MS, vec![accepted("a"), step("a", usage(3, 0), cent)]).await.unwrap();

    let spent = |steps, usage, cost: &str| Spent { steps, usage, cost: cost.parse().unwrap() };
    let first = spending(0, "main", Some("phone"), spent(2, usage(11, 22), "0.02"));
    let of_two = spending(1, "main", Some("phone"), spent(1, usage(7, 0), "0.01"));
    let all = [
        first.clone(),
        spending(1, "main", None, spent(2, usage(105, 0), "0.01")),
        of_two.clone(),
        spending(1, "other", None, spent(1, usage(3, 0), "0.01")),
    ];
    assert_eq!(store.spending(None, 0).await.unwrap(), all);
    assert_eq!(store.spending(None, 1).await.unwrap(), all[1..]);
    assert_eq!(store.spending(None, 2).await.unwrap(), []);
    assert_eq!(
        store.spending(Some(&one), 0).await.unwrap(),
        [first, spending(1, "main", None, spent(1, usage(100, 0), "0"))]
    );
    assert_eq!(store.spending(Some(&two), 0).await.unwrap()[1], of_two);
    assert_eq!(store.spending(Some(&session("none")), 0).await.unwrap(), []);
}

/// What a provider counts is not believed to be reasonable.
pub async fn what_was_spent_stops_at_the_largest_number(store: &dyn Store) {
    let main = session("main");
    store.append(&main, 1, vec![accepted("a")]).await.unwrap();
    for _ in 0..3 {
        store.append(&main, 1, vec![step("a", usage(u64::MAX, 1), Some(Money::MAX))]).await.unwrap();
    }
    let [found] = &store.spending(None, 0).await.unwrap()[..] else { panic!("one sum") };
    assert!(found.spent.usage.input_tokens >= i64::MAX.cast_unsigned());
    assert_eq!((found.spent.steps, found.spent.usage.output_tokens, found.spent.cost), (3, 3, Money::MAX));
    assert_eq!(store.read_only(), None);
}
