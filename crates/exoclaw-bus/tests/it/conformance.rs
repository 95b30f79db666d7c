use std::sync::Arc;

use exoclaw_bus::{Bus, InProcessBus};

async fn fresh() -> (Arc<dyn Bus>, ()) {
    (Arc::new(InProcessBus::new()), ())
}

exoclaw_bus::conformance_tests!(fresh);
