//! What values of WIT types look like as JSON: a JSON Schema for the model, and the signature as WIT writes it.

use serde_json::{Map, Value, json};
use wasmtime::component::{
    Type,
    types::{Case, ComponentFunc},
};

use crate::limits::{TYPE_DEPTH, TYPE_NODES};

/// Derives what is known of one function. A type can be large without its component being so: types share their parts.
struct Derive {
    left: usize,
    depth: usize,
}

/// The schema of a function's arguments. Says why there is none.
pub(super) fn of_arguments(function: &ComponentFunc) -> Result<Value, String> {
    let mut derive = Derive { left: TYPE_NODES, depth: 0 };
    // What can't be carried back is no tool either.
    for result in function.results() {
        derive.schema(&result)?;
    }
    derive.object(function.params())
}

impl Derive {
    fn object<'a>(&mut self, fields: impl Iterator<Item = (&'a str, Type)>) -> Result<Value, String> {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (name, ty) in fields {
            properties.insert(name.to_owned(), self.schema(&ty)?);
            if !matches!(ty, Type::Option(_)) {
                required.push(name);
            }
        }
        Ok(json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }))
    }

    fn schema(&mut self, ty: &Type) -> Result<Value, String> {
        self.left = self.left.checked_sub(1).ok_or_else(|| format!("its types have more than {TYPE_NODES} parts"))?;
        self.depth += 1;
        if self.depth > TYPE_DEPTH {
            return Err(format!("its types are nested more than {TYPE_DEPTH} deep"));
        }
        let schema = self.of_type(ty)?;
        self.depth -= 1;
        Ok(schema)
    }

    fn of_type(&mut self, ty: &Type) -> Result<Value, String> {
        let whole = |least: i64, most: i64| json!({ "type": "integer", "minimum": least, "maximum": most });
        Ok(match ty {
            Type::Bool => json!({ "type": "boolean" }),
            Type::S8 => whole(i8::MIN.into(), i8::MAX.into()),
            Type::U8 => whole(0, u8::MAX.into()),
            Type::S16 => whole(i16::MIN.into(), i16::MAX.into()),
            Type::U16 => whole(0, u16::MAX.into()),
            Type::S32 => whole(i32::MIN.into(), i32::MAX.into()),
            Type::U32 => whole(0, u32::MAX.into()),
            // Readers of schemas differ in what they make of larger numbers.
            Type::S64 => json!({ "type": "integer" }),
            Type::U64 => json!({ "type": "integer", "minimum": 0 }),
            Type::Float32 | Type::Float64 => json!({ "type": "number" }),
            Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            Type::String => json!({ "type": "string" }),
            Type::List(list) => json!({ "type": "array", "items": self.schema(&list.ty())? }),
            Type::Record(record) => self.object(record.fields().map(|field| (field.name, field.ty)))?,
            Type::Tuple(tuple) => {
                let items = tuple.types().map(|ty| self.schema(&ty)).collect::<Result<Vec<_>, _>>()?;
                json!({ "type": "array", "prefixItems": items, "minItems": items.len(), "maxItems": items.len() })
            }
            Type::Variant(variant) => {
                let cases = variant.cases().map(|case| self.case(case)).collect::<Result<Vec<_>, _>>()?;
                json!({ "oneOf": cases })
            }
            Type::Enum(names) => json!({ "type": "string", "enum": names.names().collect::<Vec<_>>() }),
            Type::Option(option) => match option.ty() {
                // Nothing, and something that is nothing, are told apart.
                ty @ Type::Option(_) => json!({ "anyOf": [{ "type": "null" }, only("some", self.schema(&ty)?)] }),
                ty => json!({ "anyOf": [{ "type": "null" }, self.schema(&ty)?] }),
            },
            Type::Result(result) => {
                let mut side = |name, ty: Option<Type>| {
                    Ok::<_, String>(only(name, ty.map_or(Ok(json!({ "type": "null" })), |ty| self.schema(&ty))?))
                };
                json!({ "oneOf": [side("ok", result.ok())?, side("err", result.err())?] })
            }
            Type::Flags(flags) => {
                let names: Map<_, _> =
                    flags.names().map(|name| (name.to_owned(), json!({ "type": "boolean" }))).collect();
                json!({ "type": "object", "properties": names, "additionalProperties": false })
            }
            Type::Own(_)
            | Type::Borrow(_)
            | Type::Future(_)
            | Type::Stream(_)
            | Type::ErrorContext
            | Type::Map(_)
            | Type::FixedLengthList(_) => {
                return Err(format!("it takes or gives a {}, which can't be written as JSON", wit(ty)));
            }
        })
    }

    fn case(&mut self, case: Case<'_>) -> Result<Value, String> {
        let mut object = only("tag", json!({ "const": case.name }));
        if let Some(ty) = case.ty {
            object["properties"]["val"] = self.schema(&ty)?;
            object["required"] = json!(["tag", "val"]);
        }
        Ok(object)
    }
}

/// An object with this one field.
fn only(name: &str, schema: Value) -> Value {
    json!({ "type": "object", "properties": { name: schema }, "required": [name], "additionalProperties": false })
}

/// The signature as WIT writes it, of a function that has a schema.
pub(super) fn signature(function: &ComponentFunc) -> String {
    let named = |(name, ty): (&str, Type)| format!("{name}: {}", wit(&ty));
    let params: Vec<_> = function.params().map(named).collect();
    let result = function.results().next().map_or_else(String::new, |ty| format!(" -> {}", wit(&ty)));
    format!("func({}){result}", params.join(", "))
}

fn wit(ty: &Type) -> String {
    let list = |types: &mut dyn Iterator<Item = String>| types.collect::<Vec<_>>().join(", ");
    let name = match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::List(of) => return format!("list<{}>", wit(&of.ty())),
        Type::Record(of) => {
            let fields = list(&mut of.fields().map(|field| format!("{}: {}", field.name, wit(&field.ty))));
            return format!("record {{ {fields} }}");
        }
        Type::Tuple(of) => return format!("tuple<{}>", list(&mut of.types().map(|ty| wit(&ty)))),
        Type::Variant(of) => {
            let case = |case: Case<'_>| match case.ty {
                Some(ty) => format!("{}({})", case.name, wit(&ty)),
                None => case.name.to_owned(),
            };
            return format!("variant {{ {} }}", list(&mut of.cases().map(case)));
        }
        Type::Enum(of) => return format!("enum {{ {} }}", list(&mut of.names().map(str::to_owned))),
        Type::Option(of) => return format!("option<{}>", wit(&of.ty())),
        Type::Result(of) => {
            return match (of.ok(), of.err()) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{}>", wit(&ok)),
                (ok, Some(err)) => format!("result<{}, {}>", ok.map_or("_".to_owned(), |ok| wit(&ok)), wit(&err)),
            };
        }
        Type::Flags(of) => return format!("flags {{ {} }}", list(&mut of.names().map(str::to_owned))),
        Type::Own(_) | Type::Borrow(_) => "resource",
        Type::Future(_) => "future",
        Type::Stream(_) => "stream",
        Type::ErrorContext => "error-context",
        Type::Map(_) => "map",
        Type::FixedLengthList(_) => "list of fixed length",
    };
    name.to_owned()
}
