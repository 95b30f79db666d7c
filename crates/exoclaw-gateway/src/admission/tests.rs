use std::net::Ipv4Addr;

use futures::FutureExt;

use super::*;

fn source(n: usize) -> Option<IpAddr> {
    Some(Ipv4Addr::from_bits(u32::try_from(n).unwrap()).into())
}

fn is_evicted(place: &Place) -> bool {
    place.evicted().now_or_never().is_some()
}

fn evicted(places: &[Place]) -> Vec<usize> {
    let gone = places.iter().enumerate().filter(|(_, place)| is_evicted(place));
    gone.map(|(at, _)| at).collect()
}

#[test]
fn a_flood_of_one_source_drives_out_its_own_oldest_only() {
    let admission = Admission::new(&[], Arc::default());
    let (friend, other) = (admission.admit(source(1)).unwrap(), admission.admit(source(2)).unwrap());
    friend.known();
    let count = limits::UNAUTHENTICATED_SOCKETS_OF_SOURCE + 3;
    let strangers: Vec<Place> = (0..count).map(|_| admission.admit(source(1)).unwrap()).collect();
    assert!(!is_evicted(&friend) && !is_evicted(&other));
    assert_eq!(evicted(&strangers), [0, 1, 2]);
}

/// It may be about to show one when the place is needed: both happen at once.
#[test]
fn whoever_shows_a_credential_keeps_a_place_that_was_needed() {
    let admission = Admission::new(&[], Arc::default());
    let friend = admission.admit(source(1)).unwrap();
    let strangers: Vec<Place> =
        (0..limits::UNAUTHENTICATED_SOCKETS_OF_SOURCE).map(|_| admission.admit(source(1)).unwrap()).collect();
    assert!(is_evicted(&friend) && evicted(&strangers).is_empty());
    friend.known();
    assert!(!is_evicted(&friend));
}

#[test]
fn a_flood_of_many_sources_drives_out_strangers_by_chance() {
    let flood = || {
        let admission = Admission::new(&[], Arc::default());
        let friend = admission.admit(source(1)).unwrap();
        friend.known();
        let count = limits::UNAUTHENTICATED_SOCKETS + 10;
        let strangers: Vec<Place> = (0..count).map(|n| admission.admit(source(n)).unwrap()).collect();
        assert!(!is_evicted(&friend));
        evicted(&strangers)
    };
    let (one, two) = (flood(), flood());
    assert_eq!((one.len(), two.len()), (10, 10));
    assert_ne!(one, two, "ten of more than 256, twice the same");
}

#[test]
fn a_proxy_brings_many_sources() {
    let proxy = source(9).unwrap();
    let admission = Admission::new(&[proxy], Arc::default());
    let count = limits::UNAUTHENTICATED_SOCKETS;
    let strangers: Vec<Place> = (0..count).map(|_| admission.admit(Some(proxy)).unwrap()).collect();
    assert!(evicted(&strangers).is_empty());
}

#[test]
fn places_are_bounded_and_given_back() {
    let admission = Admission::new(&[], Arc::default());
    let mut places: Vec<Place> = std::iter::from_fn(|| admission.admit(None)).collect();
    assert_eq!(places.len(), limits::SOCKETS);
    places.pop();
    assert!(admission.admit(None).is_some());
}
