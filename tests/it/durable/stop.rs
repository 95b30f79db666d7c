//! SIGTERM under load: what is refused may be sent again, what runs is finished or goes on after the start.

use super::{
    Chance, faults,
    work::{Load, Place},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_nothing_and_leaves_nothing_unknown() {
    let stops = faults(6);
    let mut chance = Chance::new("stop");
    let mut place = Place::new().await;
    let mut load = Load::start(&place).await;
    for stop in 0..stops {
        load.goes_on(&place, &mut chance).await;
        tokio::task::block_in_place(|| {
            let status = place.daemon.terminate();
            assert!(status.success(), "stop {stop}: {status}\n{}", place.daemon.log());
            place.daemon.restart();
        });
    }
    let tally = load.end(&place).await;
    println!("stop: {stops} stops, {tally:?}");
    // Every call had the time to end.
    assert_eq!(tally.unknown, 0);
}
