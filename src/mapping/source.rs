//! Reading a [`Source`] in a template.

use serde_json::Value;

use super::escape::{self, Level, Vtl, join};
use super::{Source, pointer_keys};

/// How a value that only the call knows is read.
struct Reading {
    /// Directives that leave the value's text in `$value`. Set from an interpolated string, it is never null: a `#set`
    /// to null would keep what the variable held before.
    value: Vtl,
    /// The value itself, to tell an empty string from an absent value; `None` where both mean absent.
    reference: Option<Vtl>,
}

/// The source's value as JSON; `null` when absent.
pub(super) fn as_json(level: Level, source: &Source) -> Vtl {
    let present = match source {
        Source::Value(value) => return escape::json(level, value),
        Source::QueryList(name) => {
            return list(level, "multivaluequerystring", Vtl::default(), escape::name(name), query(name));
        }
        Source::HeaderList(name) => {
            return list(level, "multivalueheader", set_header(name), "$header".into(), header(name));
        }
        Source::Output(None) => return set_output("$value".into()),
        Source::Output(Some(pointer)) => return part_of_output(level, pointer),
        Source::Body(pointer) => escape::escaped_json(level, body_json(pointer.as_deref())),
        Source::Path(_) | Source::Query(_) | Source::Header(_) | Source::Context(_) | Source::StageVariable(_) => {
            value_string(level)
        }
    };
    match read(source) {
        Some(reading) => choose(reading, present, empty_string(level)),
        None => "null".into(),
    }
}

/// A string of the body as a JSON string; `null` when absent.
pub(super) fn body_string(pointer: &str) -> Vtl {
    choose(body(Some(pointer)), value_string(Level::Outer), empty_string(Level::Outer))
}

/// Directives that leave the text of a value of the body in `$value`, empty when absent.
pub(super) fn set_value_from_body(pointer: &str) -> Vtl {
    body(Some(pointer)).value
}

/// Directives that leave a header's text in `$value`, empty when absent.
pub(super) fn set_value_from_header(name: &str) -> Vtl {
    parameter(set_header(name), "header", "$header".into()).value
}

/// `then`, with the text of a value of the body in `$value`, unless that is absent or empty.
pub(super) fn when_body_has(pointer: &str, then: Vtl) -> Vtl {
    when_present(body(Some(pointer)), then)
}

/// The source's text, to stand in a JSON string; nothing when absent.
pub(super) fn as_characters(source: &Source) -> Vtl {
    match read(source) {
        Some(reading) => join([reading.value, value_characters()]),
        None => escape::characters(Level::Outer, &constant(source)),
    }
}

/// `,"key":"<the source's text>"`, or nothing when that is absent or empty.
pub(super) fn optional_member(key: &'static str, source: &Source) -> Vtl {
    let member = |text| join([",\"".into(), key.into(), "\":\"".into(), text, "\"".into()]);
    match read(source) {
        Some(reading) => when_present(reading, member(value_characters())),
        None if constant(source).is_empty() => Vtl::default(),
        None => member(escape::characters(Level::Outer, &constant(source))),
    }
}

/// What an optional member may be without quotation marks.
#[derive(Clone, Copy)]
pub(super) enum Bare {
    /// A number from 1 to 9999.
    Count,
    /// `true` or `false`.
    Flag,
}

/// As [`optional_member`], without quotation marks where the text is such a value. Where it is not, Step Functions refuses
/// the string.
pub(super) fn optional_bare(key: &'static str, source: &Source, bare: Bare) -> Vtl {
    let Some(reading) = read(source) else { return Vtl::default() };
    let pattern: &'static str = match bare {
        Bare::Count => "'[1-9][0-9]?[0-9]?[0-9]?'",
        Bare::Flag => "'true|false'",
    };
    when_present(
        reading,
        join([
            ",\"".into(),
            key.into(),
            "\":#if($value.matches(".into(),
            pattern.into(),
            "))$value#{else}".into(),
            value_string(Level::Outer),
            "#end".into(),
        ]),
    )
}

/// A constant's text.
fn constant(source: &Source) -> String {
    match source {
        Source::Value(Value::String(text)) => text.clone(),
        Source::Value(Value::Null) => String::new(),
        Source::Value(other) => other.to_string(),
        _ => String::new(),
    }
}

/// How the source is read, `None` for a constant.
fn read(source: &Source) -> Option<Reading> {
    Some(match source {
        Source::Path(name) => path(name),
        Source::Query(name) | Source::QueryList(name) => query(name),
        Source::Header(name) | Source::HeaderList(name) => header(name),
        Source::Context(property) => variable(escape::context(property)),
        Source::StageVariable(name) => variable(escape::stage_variable(name)),
        Source::Body(pointer) => body(pointer.as_deref()),
        Source::Value(_) | Source::Output(_) => return None,
    })
}

/// REST APIs hand path parameters on as they stand in the URL, percent-encoded (recorded: `test%2Balias@gmail.com`), unlike query
/// parameters. A `+` in a path is a plus; `$util.urlDecode` would make a blank of it.
fn path(name: &str) -> Reading {
    let reading = parameter(Vtl::default(), "path", escape::name(name));
    let decode = "#set($value = $util.urlDecode($value.replace('+', '%2B')))".into();
    Reading { value: join([reading.value, decode]), ..reading }
}

fn query(name: &str) -> Reading {
    parameter(Vtl::default(), "querystring", escape::name(name))
}

fn header(name: &str) -> Reading {
    parameter(set_header(name), "header", "$header".into())
}

/// A reference that is a string, without its `$`.
fn variable_of(reference: Vtl) -> Vtl {
    join(["#set($value = \"$!".into(), reference, "\")".into()])
}

/// `then` with the output's text in `$value`, or `null`.
fn set_output(then: Vtl) -> Vtl {
    join([body(Some("/output")).value, "#if($value == '')null#{else}".into(), then, "#end".into()])
}

/// A value of the output, which [`PARSE_OUTPUT`] left in `$output`. Only strings have `startsWith('')` (lists
/// have `contains`); what else has the text of a number or truth value is one.
fn part_of_output(level: Level, pointer: &str) -> Vtl {
    let gets = pointer_keys(pointer).iter().map(|key| join([".get(".into(), escape::name(key), ")".into()])).collect();
    let reference = join(["output".into(), gets]);
    join([
        variable_of(reference.clone()),
        "#if($".into(),
        reference,
        ".startsWith(''))".into(),
        value_string(level),
        "#elseif($value.matches('-?[0-9]+([.][0-9]+)?(E-?[0-9]+)?|true|false'))$value#{else}null#end".into(),
    ])
}

/// Leaves the output's members in `$output`; nothing where it is no object.
pub(super) const PARSE_OUTPUT: &str =
    "#if($input.path('$.output').startsWith('{'))#set($output = $util.parseJson($input.path('$.output')))#end";

fn variable(reference: Vtl) -> Reading {
    Reading { value: variable_of(reference), reference: None }
}

/// A value of one of `$input.params()`'s three maps.
fn parameter(before: Vtl, map: &'static str, key: Vtl) -> Reading {
    let get = join(["input.params().".into(), map.into(), ".get(".into(), key, ")".into()]);
    Reading {
        value: join([before, "#set($value = \"$!".into(), get.clone(), "\")".into()]),
        reference: Some(join(["$".into(), get])),
    }
}

/// Leaves the header's name as the client wrote it in `$header`.
fn set_header(name: &str) -> Vtl {
    join([
        "#set($header = ".into(),
        escape::name(name),
        ")#foreach($key in $input.params().header.keySet())#if($key.matches(".into(),
        escape::header_pattern(name),
        "))#set($header = $key)#end#end".into(),
    ])
}

fn body(pointer: Option<&str>) -> Reading {
    let keys = pointer_keys(pointer.unwrap_or_default());
    let Some((last, parents)) = keys.split_last() else {
        return Reading { value: "#set($value = \"$!input.body\")".into(), reference: None };
    };
    Reading {
        // By a variable, because a path in double quotes can't stand inside of an interpolated string.
        value: join([
            "#set($path = ".into(),
            escape::json_path(&keys),
            ")#set($value = \"$!input.path($path)\")".into(),
        ]),
        // By the parent's map, because `$input.path` may give an empty string for what is absent.
        reference: Some(join([
            "$input.path(".into(),
            escape::json_path(parents),
            ").get(".into(),
            escape::name(last),
            ")".into(),
        ])),
    }
}

/// A value of the body as JSON text. `$input.json` gives an empty string for what is absent: ask before.
pub(super) fn body_json(pointer: Option<&str>) -> Vtl {
    join(["$input.json(".into(), escape::json_path(&pointer_keys(pointer.unwrap_or_default())), ")".into()])
}

/// All values under a key of one of `$method.request`'s maps, else the `single` one, as an array.
fn list(level: Level, map: &'static str, before: Vtl, key: Vtl, single: Reading) -> Vtl {
    let values = join(["$method.request.".into(), map.into(), ".get(".into(), key, ")".into()]);
    let item = join([
        "#set($value = \"$!item\")#if($value != '')".into(),
        value_string(level),
        "#{else}".into(),
        empty_string(level),
        "#end".into(),
    ]);
    let in_array = |value| join(["[".into(), value, "]".into()]);
    join([
        before,
        "#if(".into(),
        values.clone(),
        ")[#foreach($item in ".into(),
        values,
        ")".into(),
        item,
        "#if($foreach.hasNext),#end#end]#{else}".into(),
        choose(single, in_array(value_string(level)), in_array(empty_string(level))),
        "#end".into(),
    ])
}

fn when_present(reading: Reading, then: Vtl) -> Vtl {
    join([reading.value, "#if($value != '')".into(), then, "#end".into()])
}

/// `present` when the value's text is not empty, `empty` when the value is an empty string, else `null`.
///
/// Only strings have `contains('')`, and it is true for all of them: once the text is known to be empty, this tells
/// `""` from null, from absent, and from a parent that is no object, also in an engine that takes `""` for false.
fn choose(reading: Reading, present: Vtl, empty: Vtl) -> Vtl {
    let when_empty = reading
        .reference
        .map_or_else(Vtl::default, |reference| join(["#elseif(".into(), reference, ".contains(''))".into(), empty]));
    join([reading.value, "#if($value != '')".into(), present, when_empty, "#{else}null#end".into()])
}

fn value_characters() -> Vtl {
    escape::escaped_text(Level::Outer, "$value".into())
}

fn value_string(level: Level) -> Vtl {
    join([escape::quote(level), escape::escaped_text(level, "$value".into()), escape::quote(level)])
}

fn empty_string(level: Level) -> Vtl {
    join([escape::quote(level), escape::quote(level)])
}
