//! JSON as values of WIT types, and back. What a type looks like as JSON stands in [`super::schema`].

use serde_json::{Map, Value, json};
use wasmtime::{
    Result, bail,
    component::{Type, Val},
};

use crate::{limits::VALUES, schema::Mismatch};

/// Numbers that JSON does not have.
const NOT_FINITE: [(&str, f64); 3] = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// Whole numbers up to here are exact where they are written as fractions, such as `3.0`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The arguments of a function, by the names of its parameters.
pub(crate) fn arguments<'a>(json: &Value, params: impl Iterator<Item = (&'a str, Type)>) -> Result<Vec<Val>, Mismatch> {
    let fields = fields(json, params, &mut { VALUES })?;
    Ok(fields.into_iter().map(|(_, value)| value).collect())
}

fn value(json: &Value, ty: &Type, left: &mut usize) -> Result<Val, Mismatch> {
    // A type can make much of little JSON: records whose fields may all be left out.
    *left = left.checked_sub(1).ok_or_else(|| Mismatch::new(format!("want at most {VALUES} values in all")))?;
    Ok(match ty {
        Type::Bool => Val::Bool(json.as_bool().ok_or_else(|| Mismatch::new("want true or false"))?),
        Type::S8 => Val::S8(whole(json)?),
        Type::U8 => Val::U8(whole(json)?),
        Type::S16 => Val::S16(whole(json)?),
        Type::U16 => Val::U16(whole(json)?),
        Type::S32 => Val::S32(whole(json)?),
        Type::U32 => Val::U32(whole(json)?),
        Type::S64 => Val::S64(whole(json)?),
        Type::U64 => Val::U64(whole(json)?),
        Type::Float32 => Val::Float32(single(json)?),
        Type::Float64 => Val::Float64(number(json)?),
        Type::Char => Val::Char(one_char(json)?),
        Type::String => Val::String(text(json)?.to_owned()),
        Type::List(list) => {
            let ty = list.ty();
            Val::List(
                items(json)?
                    .iter()
                    .enumerate()
                    .map(|(at, item)| within(at, value(item, &ty, left)))
                    .collect::<Result<_, _>>()?,
            )
        }
        Type::Record(record) => Val::Record(fields(json, record.fields().map(|field| (field.name, field.ty)), left)?),
        Type::Tuple(tuple) => {
            let items = items(json)?;
            if items.len() != tuple.types().len() {
                return Err(Mismatch::new(format!("want {} values", tuple.types().len())));
            }
            let values = items.iter().zip(tuple.types()).enumerate();
            Val::Tuple(values.map(|(at, (item, ty))| within(at, value(item, &ty, left))).collect::<Result<_, _>>()?)
        }
        Type::Variant(variant) => {
            let tag = json.get("tag").and_then(Value::as_str);
            let case = variant.cases().find(|case| Some(case.name) == tag);
            let case = case.ok_or_else(|| Mismatch::new("want an object with the name of a case as tag"))?;
            Val::Variant(case.name.to_owned(), payload(json.get("val"), case.ty, "val", left)?)
        }
        Type::Enum(names) => {
            let name = json.as_str().filter(|name| names.names().any(|known| known == *name));
            Val::Enum(name.ok_or_else(|| Mismatch::new("want one of the names"))?.to_owned())
        }
        Type::Option(option) => match (json, option.ty()) {
            (Value::Null, _) => Val::Option(None),
            (_, ty @ Type::Option(_)) => Val::Option(payload(json.get("some"), Some(ty), "some", left)?),
            (_, ty) => Val::Option(Some(Box::new(value(json, &ty, left)?))),
        },
        Type::Result(result) => match (json.get("ok"), json.get("err")) {
            (ok @ Some(_), None) => Val::Result(Ok(payload(ok, result.ok(), "ok", left)?)),
            (None, err @ Some(_)) => Val::Result(Err(payload(err, result.err(), "err", left)?)),
            _ => return Err(Mismatch::new("want an object with either ok or err")),
        },
        Type::Flags(flags) => {
            let object = object(json)?;
            let unknown = object.keys().find(|name| flags.names().all(|known| known != name.as_str()));
            if let Some(name) = unknown {
                return Err(Mismatch::new(format!("there is no flag {name:?}")));
            }
            let mut set = Vec::new();
            for name in flags.names() {
                match object.get(name) {
                    None | Some(Value::Bool(false)) => {}
                    Some(Value::Bool(true)) => set.push(name.to_owned()),
                    Some(_) => return Err(Mismatch::new("want true or false").within(name)),
                }
            }
            Val::Flags(set)
        }
        Type::Map(_)
        | Type::Own(_)
        | Type::Borrow(_)
        | Type::Future(_)
        | Type::Stream(_)
        | Type::ErrorContext
        | Type::FixedLengthList(_) => return Err(Mismatch::new("a value of this type can't be written as JSON")),
    })
}

/// Whatever may be nothing may be left out; whatever is not known is refused.
fn fields<'a>(
    json: &Value,
    types: impl Iterator<Item = (&'a str, Type)>,
    left: &mut usize,
) -> Result<Vec<(String, Val)>, Mismatch> {
    let object = object(json)?;
    let mut found = 0;
    let mut fields = Vec::new();
    for (name, ty) in types {
        let given = object.get(name);
        found += usize::from(given.is_some());
        let given = match given {
            None if !matches!(ty, Type::Option(_)) => return Err(Mismatch::new(format!("{name:?} is missing"))),
            given => given.unwrap_or(&Value::Null),
        };
        fields.push((name.to_owned(), value(given, &ty, left).map_err(|mismatch| mismatch.within(name))?));
    }
    if found < object.len() {
        return Err(Mismatch::new("there are fields that the type does not have"));
    }
    Ok(fields)
}

fn payload(json: Option<&Value>, ty: Option<Type>, name: &str, left: &mut usize) -> Result<Option<Box<Val>>, Mismatch> {
    match (json, ty) {
        (None | Some(Value::Null), None) => Ok(None),
        (Some(_), None) => Err(Mismatch::new("want nothing here").within(name)),
        (None, Some(_)) => Err(Mismatch::new(format!("{name:?} is missing"))),
        (Some(json), Some(ty)) => {
            value(json, &ty, left).map_err(|mismatch| mismatch.within(name)).map(|value| Some(Box::new(value)))
        }
    }
}

fn within<T>(at: usize, found: Result<T, Mismatch>) -> Result<T, Mismatch> {
    found.map_err(|mismatch| mismatch.within(&at.to_string()))
}

fn object(json: &Value) -> Result<&Map<String, Value>, Mismatch> {
    json.as_object().ok_or_else(|| Mismatch::new("want an object"))
}

fn items(json: &Value) -> Result<&[Value], Mismatch> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| Mismatch::new("want an array"))
}

fn text(json: &Value) -> Result<&str, Mismatch> {
    json.as_str().ok_or_else(|| Mismatch::new("want text"))
}

fn one_char(json: &Value) -> Result<char, Mismatch> {
    let mut chars = text(json)?.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Mismatch::new("want one character")),
    }
}

fn whole<T: TryFrom<i128>>(json: &Value) -> Result<T, Mismatch> {
    let exact = |number: f64| (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128);
    let number = json.as_number().and_then(|number| number.as_i128().or_else(|| number.as_f64().and_then(exact)));
    let fits = number.and_then(|number| T::try_from(number).ok());
    fits.ok_or_else(|| Mismatch::new("want a whole number that the type can hold"))
}

fn number(json: &Value) -> Result<f64, Mismatch> {
    let named = |name: &str| NOT_FINITE.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    json.as_f64().or_else(|| json.as_str().and_then(named)).ok_or_else(|| Mismatch::new("want a number"))
}

fn single(json: &Value) -> Result<f32, Mismatch> {
    let number = number(json)?;
    let single = number as f32;
    if single.is_infinite() && number.is_finite() {
        return Err(Mismatch::new("want a number that the type can hold"));
    }
    Ok(single)
}

/// A value as JSON. Its size is bounded by what a guest may give back at once.
pub(crate) fn to_json(value: Val) -> Result<Value> {
    Ok(match value {
        Val::Bool(value) => value.into(),
        Val::S8(value) => value.into(),
        Val::U8(value) => value.into(),
        Val::S16(value) => value.into(),
        Val::U16(value) => value.into(),
        Val::S32(value) => value.into(),
        Val::U32(value) => value.into(),
        Val::S64(value) => value.into(),
        Val::U64(value) => value.into(),
        Val::Float32(value) => float(f64::from(value)),
        Val::Float64(value) => float(value),
        Val::Char(value) => value.to_string().into(),
        Val::String(value) | Val::Enum(value) => value.into(),
        Val::List(values) | Val::Tuple(values) => values.into_iter().map(to_json).collect::<Result<_>>()?,
        Val::Record(fields) => {
            let field = |(name, value)| Ok((name, to_json(value)?));
            Value::Object(fields.into_iter().map(field).collect::<Result<_>>()?)
        }
        Val::Variant(tag, None) => json!({ "tag": tag }),
        Val::Variant(tag, Some(value)) => json!({ "tag": tag, "val": to_json(*value)? }),
        Val::Option(None) => Value::Null,
        Val::Option(Some(value)) if matches!(*value, Val::Option(_)) => json!({ "some": to_json(*value)? }),
        Val::Option(Some(value)) => to_json(*value)?,
        Val::Result(Ok(value)) => json!({ "ok": optional(value)? }),
        Val::Result(Err(value)) => json!({ "err": optional(value)? }),
        Val::Flags(names) => Value::Object(names.into_iter().map(|name| (name, true.into())).collect()),
        Val::Map(_)
        | Val::Resource(_)
        | Val::Future(_)
        | Val::Stream(_)
        | Val::ErrorContext(_)
        | Val::FixedLengthList(_) => bail!("a value can't be written as JSON"),
    })
}

fn optional(value: Option<Box<Val>>) -> Result<Value> {
    value.map_or(Ok(Value::Null), |value| to_json(*value))
}

fn float(number: f64) -> Value {
    let name = match number {
        _ if number.is_finite() => return number.into(),
        _ if number.is_nan() => NOT_FINITE[0].0,
        _ if number > 0.0 => NOT_FINITE[1].0,
        _ => NOT_FINITE[2].0,
    };
    name.into()
}
