use std::net::Ipv4Addr;

use super::*;

fn source(n: u32) -> Option<IpAddr> {
    Some(Ipv4Addr::from_bits(n).into())
}

/// Guesses that were compared.
fn guess(limiter: &Limiter, source: Option<IpAddr>, times: u32) -> u32 {
    let mut compared = 0;
    for _ in 0..times {
        let seen = limiter.check(source, Kind::Token, || {
            compared += 1;
            None::<()>
        });
        assert_ne!(seen, Ok(Some(())));
    }
    compared
}

#[tokio::test(start_paused = true)]
async fn fifty_guessers_get_twenty_guesses_in_a_minute() {
    let limiter = Limiter::default();
    let mut compared = 0;
    // Fifty sockets of one source, each guessing ten times a second.
    for _ in 0..600 {
        compared += guess(&limiter, source(1), 50);
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!((15..=20).contains(&compared), "{compared}");
}

#[tokio::test(start_paused = true)]
async fn right_ones_cost_nothing_and_other_sources_and_kinds_are_served() {
    let limiter = Limiter::default();
    for _ in 0..1_000 {
        assert_eq!(limiter.check(source(1), Kind::Token, || Some(())), Ok(Some(())));
    }
    assert_eq!(guess(&limiter, source(1), 100), 10);
    let refused = limiter.check(source(1), Kind::Token, || Some(()));
    assert_eq!(refused, Err(TooMany { retry_after: Duration::from_secs(6) }));
    for (source, kind) in [(source(2), Kind::Token), (source(1), Kind::Cookie), (source(1), Kind::Code)] {
        assert_eq!(limiter.check(source, kind, || Some(())), Ok(Some(())), "{kind:?}");
    }
    assert_eq!(guess(&limiter, None, 100), 100, "the daemon's own user");
    limiter.forgive(Kind::Cookie);
    assert!(limiter.check(source(1), Kind::Token, || Some(())).is_err());
    limiter.forgive(Kind::Token);
    assert!(limiter.check(source(1), Kind::Token, || Some(())).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_guesser_is_not_forgotten_among_many_others() {
    let limiter = Limiter::default();
    assert_eq!(guess(&limiter, source(0), 100), 10);
    for n in 1..=2 * SOURCES as u32 {
        guess(&limiter, source(n), 1);
    }
    assert!(limiter.sources.len() <= SOURCES);
    assert_eq!(guess(&limiter, source(0), 100), 0);
}
