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
