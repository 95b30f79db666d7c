use super::*;

#[test]
fn a_flood_of_strangers_drives_out_strangers_only() {
    let admission = Admission::new();
    let friend = admission.admit().unwrap();
    friend.known();
    let strangers: Vec<Place> = (0..=limits::UNAUTHENTICATED_SOCKETS).map(|_| admission.admit().unwrap()).collect();
    assert!(!friend.evicted().is_cancelled());
    let evicted = strangers.iter().map(|place| place.evicted().is_cancelled());
    assert_eq!(evicted.filter(|evicted| *evicted).count(), 1);
    assert!(strangers[0].evicted().is_cancelled(), "the oldest goes");
}

#[test]
fn places_are_bounded_and_given_back() {
    let admission = Admission::new();
    let mut places: Vec<Place> = std::iter::from_fn(|| admission.admit()).collect();
    assert_eq!(places.len(), limits::SOCKETS);
    places.pop();
    assert!(admission.admit().is_some());
}
