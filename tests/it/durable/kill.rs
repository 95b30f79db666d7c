//! `kill -9` at random, in the midst of steps, intents, tool calls and results.

use std::time::Duration;

use super::{
    Chance, faults,
    work::{Load, Place},
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_no_effect_takes_place_twice() {
    let kills = faults(12);
    let mut chance = Chance::new("kill");
    let mut place = Place::new().await;
    let mut load = Load::start(&place).await;
    for kill in 0..kills {
        // A run that is killed again and again before it gets on is given up, as it should be: not here.
        if kill % 2 == 0 {
            load.goes_on(&place, &mut chance).await;
        } else {
            load.each_goes_on(&place).await;
        }
        // Anywhere between two requests to the model, not only at one: nothing is waited for here.
        tokio::time::sleep(Duration::from_micros(chance.below(8_000))).await;
        tokio::task::block_in_place(|| {
            place.daemon.kill9();
            place.daemon.restart();
        });
    }
    let tally = load.end(&place).await;
    println!("kill: {kills} kills, {tally:?}");
}
