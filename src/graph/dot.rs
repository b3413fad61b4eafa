//! DOT, Graphviz's language: <https://graphviz.org/doc/info/lang.html>.

use std::fmt::Write;

use super::history::{Status, Way};
use super::text::{clean, wrap, xml};
use super::{Graph, Kind, Level, Node};
use crate::asl::StateType;

/// The graph as a digraph of this name, coloured where a way is given.
pub fn dot(name: &str, graph: &Graph, way: Option<&Way>) -> String {
    let mut out = format!("digraph \"{}\" {{\n", clean(name).replace('\\', "\\\\").replace('"', "\\\""));
    line(&mut out, 1, "compound=true; fontname=\"Helvetica\"; fontsize=11; ranksep=0.35; nodesep=0.35;");
    line(
        &mut out,
        1,
        "node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#545b64\", fontname=\"Helvetica\", fontsize=11];",
    );
    line(&mut out, 1, "edge [color=\"#545b64\", fontname=\"Helvetica\", fontsize=10, arrowsize=0.7];");
    let mut pending = vec![Part::Level(0)];
    let mut depth = 1;
    while let Some(part) = pending.pop() {
        match part {
            Part::Level(index) => {
                let level = &graph.levels[index];
                for (number, edge) in level.edges.iter().enumerate().rev() {
                    let taken = way.is_some_and(|way| way.edges[index][number]);
                    pending.push(Part::Text(arrow(graph, index, edge, taken)));
                }
                pending.extend((0..level.nodes.len()).rev().map(|node| Part::Node(index, node)));
            }
            Part::Node(index, number) => {
                let level = &graph.levels[index];
                let node = &level.nodes[number];
                let seen = way.map(|way| &way.nodes[index][number]);
                let note = seen.map_or("", |seen| seen.note.as_str());
                let colours = seen.map_or("", |seen| colours(seen.status));
                if node.levels.is_empty() {
                    line(&mut out, depth, &format!("{} [{}{colours}];", id(index, number), shape(level, node, note)));
                    continue;
                }
                line(&mut out, depth, &format!("subgraph cluster_{index}_{number} {{"));
                depth += 1;
                let colours = if colours.is_empty() { ", color=\"#545b64\", fillcolor=\"#f7f8f8\"" } else { colours };
                let style = if colours.contains("dashed") { "" } else { ", style=\"rounded,filled\"" };
                line(&mut out, depth, &format!("graph [label={}{style}{colours}];", html(node, note)));
                pending.push(Part::Close);
                for inner in node.levels.iter().rev() {
                    if node.levels.len() > 1 {
                        pending.push(Part::Close);
                    }
                    pending.push(Part::Level(*inner));
                    if node.levels.len() > 1 {
                        pending.push(Part::Branch(*inner));
                    }
                }
            }
            Part::Branch(inner) => {
                line(&mut out, depth, &format!("subgraph cluster_b{inner} {{"));
                depth += 1;
                line(&mut out, depth, "graph [label=\"\", style=\"rounded,dashed\", color=\"#aab7b8\"];");
            }
            Part::Text(text) => line(&mut out, depth, &text),
            Part::Close => {
                depth -= 1;
                line(&mut out, depth, "}");
            }
        }
    }
    out + "}\n"
}

enum Part {
    Level(usize),
    Node(usize, usize),
    Branch(usize),
    Text(String),
    Close,
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{:width$}{text}", "", width = depth.min(16) * 2);
}

fn id(level: usize, node: usize) -> String {
    format!("s{level}_{node}")
}

fn shape(level: &Level, node: &Node, note: &str) -> String {
    let dot = "width=0.18, height=0.18, fixedsize=true, label=\"\", fillcolor=\"#545b64\"";
    match node.kind {
        Kind::Start if level.owner.is_some() => format!("shape=circle, {dot}"),
        Kind::End if level.owner.is_some() => format!("shape=doublecircle, {dot}"),
        Kind::Start => "label=\"Start\", height=0.3, fillcolor=\"#545b64\", fontcolor=\"#ffffff\"".to_owned(),
        Kind::End => "label=\"End\", height=0.3, fillcolor=\"#545b64\", fontcolor=\"#ffffff\"".to_owned(),
        Kind::Missing => {
            format!("label={}, style=\"dashed\", color=\"#d13212\", fontcolor=\"#d13212\"", html(node, note))
        }
        Kind::State(Some(StateType::Choice)) => format!("label={}, shape=hexagon, style=\"filled\"", html(node, note)),
        Kind::State(_) => format!("label={}", html(node, note)),
    }
}

/// The name in bold, then the details.
fn html(node: &Node, note: &str) -> String {
    let name = if node.name.trim().is_empty() { "(no name)" } else { &node.name };
    let mut lines: Vec<String> = wrap(name, 32, 3).iter().map(|line| format!("<B>{}</B>", xml(line))).collect();
    for detail in &node.details {
        lines.extend(wrap(detail, 40, 3).iter().map(|line| format!("<FONT POINT-SIZE=\"9\">{}</FONT>", xml(line))));
    }
    lines.extend(
        (!note.is_empty())
            .then(|| wrap(note, 40, 3))
            .into_iter()
            .flatten()
            .map(|line| format!("<I>{}</I>", xml(&line))),
    );
    format!("<{}>", lines.join("<BR/>"))
}

/// Edges end at nodes, and are clipped at the group that the node stands for.
fn arrow(graph: &Graph, index: usize, edge: &super::Edge, taken: bool) -> String {
    let level = &graph.levels[index];
    let mut attributes = Vec::new();
    let end = |number: usize, which: &str, into: Kind, attributes: &mut Vec<String>| {
        let (mut index, mut number) = (index, number);
        if !level.nodes[number].levels.is_empty() {
            attributes.push(format!("{which}=\"cluster_{index}_{number}\""));
        }
        while let node = &graph.levels[index].nodes[number]
            && !node.levels.is_empty()
        {
            let inner = node.levels[node.levels.len() / 2];
            let nodes = &graph.levels[inner].nodes;
            (index, number) = (inner, nodes.iter().position(|node| node.kind == into).unwrap_or(0));
        }
        id(index, number)
    };
    let from = end(edge.from, "ltail", Kind::End, &mut attributes);
    let to = end(edge.to, "lhead", Kind::Start, &mut attributes);
    if edge.catch {
        attributes.push("style=dashed".to_owned());
    }
    if taken {
        attributes.push("color=\"#1d8102\", penwidth=2.5".to_owned());
    }
    if !edge.labels.is_empty() {
        let lines: Vec<String> = edge.labels.iter().flat_map(|label| wrap(label, 40, 4)).collect();
        let lines: Vec<String> = lines.iter().map(|line| format!(" {} ", xml(line))).collect();
        attributes.push(format!("label=<{}>", lines.join("<BR/>")));
    }
    match attributes.is_empty() {
        true => format!("{from} -> {to};"),
        false => format!("{from} -> {to} [{}];", attributes.join(", ")),
    }
}

fn colours(status: Status) -> &'static str {
    match status {
        Status::Apart => "",
        Status::NotReached => ", style=\"rounded,dashed\", color=\"#aab7b8\", fontcolor=\"#687078\"",
        Status::Succeeded => ", fillcolor=\"#dff3e0\", color=\"#1d8102\"",
        Status::Caught => ", fillcolor=\"#fdebd0\", color=\"#d97706\"",
        Status::Aborted => ", fillcolor=\"#e9ebed\", color=\"#545b64\"",
        Status::Failed => ", fillcolor=\"#fadbd8\", color=\"#d13212\"",
        Status::Running => ", fillcolor=\"#d6eaf8\", color=\"#0972d3\"",
    }
}
