//! Mermaid flowcharts: <https://mermaid.js.org/syntax/flowchart.html>.

use std::fmt::Write;

use super::history::{Status, Way};
use super::text::wrap;
use super::{Graph, Kind, Level, Node};
use crate::asl::StateType;

/// The graph as a flowchart, coloured where a way is given.
pub fn mermaid(graph: &Graph, way: Option<&Way>) -> String {
    let mut out = String::from("flowchart TD\n");
    // Inside of groups, what is still to be written, last first.
    let mut pending = vec![Part::Level(0)];
    let mut depth = 1;
    while let Some(part) = pending.pop() {
        match part {
            Part::Level(index) => {
                let level = &graph.levels[index];
                pending.extend((0..level.nodes.len()).rev().map(|node| Part::Node(index, node)));
            }
            Part::Node(index, number) => {
                let level = &graph.levels[index];
                let node = &level.nodes[number];
                if node.levels.is_empty() {
                    line(
                        &mut out,
                        depth,
                        &format!("{}{}", id(index, number), shape(level, node, note(way, index, number))),
                    );
                    continue;
                }
                line(
                    &mut out,
                    depth,
                    &format!("subgraph {}[{}]", id(index, number), quoted(&texts(node, note(way, index, number)))),
                );
                depth += 1;
                pending.push(Part::End);
                for inner in node.levels.iter().rev() {
                    if node.levels.len() > 1 {
                        pending.push(Part::End);
                    }
                    pending.push(Part::Level(*inner));
                    if node.levels.len() > 1 {
                        pending.push(Part::Branch(*inner));
                    }
                }
            }
            Part::Branch(inner) => {
                line(&mut out, depth, &format!("subgraph b{inner}[\" \"]"));
                depth += 1;
            }
            Part::End => {
                depth -= 1;
                line(&mut out, depth, "end");
            }
        }
    }
    let mut taken = Vec::new();
    let mut count = 0;
    for (index, level) in graph.levels.iter().enumerate() {
        for (number, edge) in level.edges.iter().enumerate() {
            let arrow = if edge.catch { "-.->" } else { "-->" };
            let text = match edge.labels.is_empty() {
                true => String::new(),
                false => format!("|{}|", quoted(&edge.labels)),
            };
            line(&mut out, 1, &format!("{} {arrow}{text} {}", id(index, edge.from), id(index, edge.to)));
            if way.is_some_and(|way| way.edges[index][number]) {
                taken.push(count.to_string());
            }
            count += 1;
        }
    }
    classes(&mut out, graph, way);
    if !taken.is_empty() {
        line(&mut out, 1, &format!("linkStyle {} stroke:#1d8102,stroke-width:3px", taken.join(",")));
    }
    out
}

enum Part {
    Level(usize),
    Node(usize, usize),
    Branch(usize),
    End,
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Deep machines would be white space for the most part. Writing to a string does not fail.
    let _ = writeln!(out, "{:width$}{text}", "", width = depth.min(16) * 4);
}

fn id(level: usize, node: usize) -> String {
    format!("s{level}_{node}")
}

fn note(way: Option<&Way>, level: usize, node: usize) -> &str {
    way.map_or("", |way| &way.nodes[level][node].note)
}

fn texts(node: &Node, note: &str) -> Vec<String> {
    let name = if node.name.trim().is_empty() { "(no name)" } else { &node.name };
    let mut texts = vec![name.to_owned()];
    texts.extend(node.details.iter().cloned());
    texts.extend((!note.is_empty()).then(|| note.to_owned()));
    texts
}

fn shape(level: &Level, node: &Node, note: &str) -> String {
    let inside = level.owner.is_some();
    match node.kind {
        Kind::Start | Kind::End if inside => "((\" \"))".to_owned(),
        Kind::Start => "((Start))".to_owned(),
        Kind::End => "((End))".to_owned(),
        Kind::Missing => format!("[{}]", quoted(&texts(node, note))),
        Kind::State(Some(StateType::Choice)) => format!("{{{{{}}}}}", quoted(&texts(node, note))),
        Kind::State(Some(StateType::Succeed | StateType::Fail)) => format!("([{}])", quoted(&texts(node, note))),
        Kind::State(_) => format!("[{}]", quoted(&texts(node, note))),
    }
}

/// A quoted text, each line broken where it is long.
fn quoted(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().flat_map(|line| wrap(line, 40, 4)).map(|line| escape(&line)).collect();
    format!("\"{}\"", lines.join("<br/>"))
}

/// Entity codes for all that Mermaid, its Markdown or HTML could take for something of theirs.
fn escape(text: &str) -> String {
    // Mermaid takes `style…:…#…;` for a style, wherever it stands.
    let styles = text.contains("style") || text.contains("classDef");
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("#quot;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '&' => escaped.push_str("#amp;"),
            '#' | '`' | '\\' | '%' | '*' | '_' | '~' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            ':' if styles => escaped.push_str("#58;"),
            // `1.` and `- ` begin lists in Markdown.
            '-' | '.' | ')' | '+' if escaped.chars().all(|c| c.is_ascii_digit()) => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

fn classes(out: &mut String, graph: &Graph, way: Option<&Way>) {
    let mut classes: Vec<(&str, &str, Vec<String>)> = vec![
        ("dot", "fill:#545b64,stroke:#545b64,color:#fff", Vec::new()),
        ("missing", "fill:#fff,stroke:#d13212,stroke-dasharray:4 3,color:#d13212", Vec::new()),
        ("succeeded", "fill:#dff3e0,stroke:#1d8102,color:#16191f", Vec::new()),
        ("caught", "fill:#fdebd0,stroke:#d97706,color:#16191f", Vec::new()),
        ("aborted", "fill:#e9ebed,stroke:#545b64,color:#16191f", Vec::new()),
        ("failed", "fill:#fadbd8,stroke:#d13212,color:#16191f", Vec::new()),
        ("running", "fill:#d6eaf8,stroke:#0972d3,color:#16191f", Vec::new()),
        ("unreached", "fill:#fff,stroke:#aab7b8,stroke-dasharray:4 3,color:#687078", Vec::new()),
    ];
    for (index, level) in graph.levels.iter().enumerate() {
        for (number, node) in level.nodes.iter().enumerate() {
            let class = match (node.kind, way.map(|way| way.nodes[index][number].status)) {
                (Kind::Start | Kind::End, _) => "dot",
                (Kind::Missing, _) => "missing",
                (Kind::State(_), None | Some(Status::Apart)) => continue,
                (Kind::State(_), Some(Status::NotReached)) => "unreached",
                (Kind::State(_), Some(status)) => status.words(),
            };
            if let Some((.., nodes)) = classes.iter_mut().find(|(name, ..)| *name == class) {
                nodes.push(id(index, number));
            }
        }
    }
    for (name, style, nodes) in classes.into_iter().filter(|(.., nodes)| !nodes.is_empty()) {
        line(out, 1, &format!("classDef {name} {style}"));
        line(out, 1, &format!("class {} {name}", nodes.join(",")));
    }
}
