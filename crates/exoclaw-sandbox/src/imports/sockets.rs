//! `wasi:sockets`, of which nobody gets anything.
//!
//! Runtimes such as CPython's import it whether their program opens a connection or not, so a component that names it may
//! load. What it finds there are functions that refuse, made from the component's own imports: no socket of the host stands
//! behind any of them.

use std::borrow::Cow;

use wasmtime::{
    Result, StoreContextMut, bail,
    component::{
        Component, Linker, Resource, ResourceType, Val,
        types::{ComponentFunc, ComponentItem, Type},
    },
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};

use crate::state::State;

/// The interfaces of this package are denied.
pub(crate) const PACKAGE: &str = "wasi:sockets/";

/// What a handle of a network or a socket stands for: nothing.
struct Nothing;

/// The linker, with functions that refuse for what the component imports of sockets.
pub(crate) fn deny<'a>(linker: &'a Linker<State>, component: &Component) -> Result<Cow<'a, Linker<State>>> {
    let engine = linker.engine();
    let mut denying = Cow::Borrowed(linker);
    for (interface, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(exports) = import.ty else { continue };
        if !interface.starts_with(PACKAGE) {
            continue;
        }
        let mut instance = denying.to_mut().instance(interface)?;
        for (name, export) in exports.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => instance.func_new(name, refuse)?,
                ComponentItem::Resource(_) => instance.resource(name, resource(name), |_, _| Ok(()))?,
                _ => {}
            }
        }
    }
    Ok(denying)
}

/// The type behind a resource's name: those of `wasi:io` that an interface of sockets uses are `wasi:io`'s own.
fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        _ => ResourceType::host::<Nothing>(),
    }
}

/// `access-denied` wherever a function can fail. Of the others, one gives a handle for the network, which opens nothing;
/// the rest belong to sockets, which nobody has.
fn refuse(
    mut store: StoreContextMut<'_, State>,
    function: ComponentFunc,
    _: &[Val],
    results: &mut [Val],
) -> Result<()> {
    store.data_mut().count()?;
    for (result, ty) in results.iter_mut().zip(function.results()) {
        *result = match ty {
            Type::Result(_) => Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned()))))),
            Type::Own(_) => Val::Resource(Resource::<Nothing>::new_own(0).try_into_resource_any(&mut store)?),
            _ => bail!("a plugin has no sockets"),
        };
    }
    Ok(())
}
