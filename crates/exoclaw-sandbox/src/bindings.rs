//! Host side of `wit/plugin.wit`, generated.

wasmtime::component::bindgen!({
    path: "wit",
    world: "tool-plugin",
    imports: {
        "exoclaw:plugin/kv": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

/// The same for plugins that say what became of a call.
pub(crate) mod reconciling {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "reconciling-plugin",
        with: {
            "exoclaw:plugin/types": super::exoclaw::plugin::types,
            "exoclaw:plugin/log": super::exoclaw::plugin::log,
            "exoclaw:plugin/kv": super::exoclaw::plugin::kv,
            "exoclaw:plugin/budget": super::exoclaw::plugin::budget,
            "exoclaw:plugin/progress": super::exoclaw::plugin::progress,
        },
        exports: { default: async },
    });
}

/// The same for channels.
pub(crate) mod channel {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "channel-plugin",
        imports: { default: trappable },
        with: {
            "exoclaw:plugin/log": super::exoclaw::plugin::log,
            "exoclaw:plugin/budget": super::exoclaw::plugin::budget,
        },
        exports: { default: async },
    });
}
