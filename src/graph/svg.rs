//! Pictures of our own making: SVG, laid out by [`layout`](super::layout).

use std::fmt::Write;

use super::history::{Status, Way};
use super::layout::{CUT, Layout, Link, Size, lay_out};
use super::text::{clean, width, wrap, xml};
use super::{Edge, Graph, Kind, Node};
use crate::asl::StateType;

/// One machine to be drawn.
pub struct Picture<'a> {
    /// What stands above it; nothing where it is empty.
    pub title: &'a str,
    /// The machine.
    pub graph: &'a Graph,
    /// The way that an execution took.
    pub way: Option<&'a Way>,
}

/// The pictures as one SVG document, below each other.
pub fn svg(pictures: &[Picture<'_>]) -> String {
    let mut body = String::new();
    let (mut y, mut right) = (MARGIN, 0.0_f64);
    for picture in pictures {
        if !picture.title.is_empty() {
            let title = clean(picture.title);
            y += 14.0;
            write(&mut body, format_args!("<text class=\"title\" x=\"{MARGIN}\" y=\"{y}\">{}</text>\n", xml(&title)));
            right = right.max(width(&title, 14.0, true));
            y += 14.0;
        }
        let drawing = Drawing::new(picture);
        drawing.draw(&mut body, MARGIN, y);
        right = right.max(drawing.size(0).width);
        y += drawing.size(0).height + MARGIN;
    }
    let (width, height) = ((right + 2.0 * MARGIN).ceil(), y.ceil());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>{STYLE}</style>\n<defs>\n{}{}</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n",
        marker("arrow", LINE),
        marker("taken", TAKEN),
    )
}

const MARGIN: f64 = 16.0;
const LINE: &str = "#545b64";
const TAKEN: &str = "#1d8102";
const STYLE: &str = "text{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;font-size:11px;fill:#16191f}\
.title{font-size:14px;font-weight:bold}.name{font-size:13px;font-weight:bold}.detail{fill:#545b64}\
.label{font-size:11px;fill:#2a2e33}.note{font-weight:bold}\
.edge{fill:none;stroke:#545b64;stroke-width:1.3}.catch{stroke-dasharray:5 4}\
.off{stroke:#b6bec9}.taken{stroke:#1d8102;stroke-width:2.6}";

fn marker(id: &str, colour: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 1 L10 5 L0 9 z\" fill=\"{colour}\"/></marker>\n"
    )
}

/// Writing to a string does not fail.
fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A line of text in a box.
struct Line {
    text: String,
    class: &'static str,
}

impl Line {
    fn width(&self) -> f64 {
        match self.class {
            "name" => width(&self.text, 13.0, true),
            "note" => width(&self.text, 11.0, true),
            _ => width(&self.text, 11.0, false),
        }
    }

    fn height(&self) -> f64 {
        if self.class == "name" { 17.0 } else { 14.0 }
    }
}

/// A box: its lines, and the levels inside of it with their places below the lines.
struct Drawn {
    lines: Vec<Line>,
    size: Size,
    inside: Vec<(usize, (f64, f64))>,
}

struct Drawing<'a> {
    picture: &'a Picture<'a>,
    /// By level and node.
    boxes: Vec<Vec<Drawn>>,
    layouts: Vec<Option<Layout>>,
}

/// The radius of what starts and ends a level inside of a box.
const DOT: f64 = 6.0;
const PADDING: f64 = 12.0;
/// Around a level inside of a box.
const FRAME: f64 = 14.0;
/// Beyond this, branches begin a new row.
const ROW: f64 = 2400.0;

impl<'a> Drawing<'a> {
    fn new(picture: &'a Picture<'a>) -> Self {
        let levels = &picture.graph.levels;
        let mut drawing = Self {
            picture,
            boxes: levels.iter().map(|_| Vec::new()).collect(),
            layouts: levels.iter().map(|_| None).collect(),
        };
        // Inner levels come after those around them: their sizes are known first.
        for (index, level) in levels.iter().enumerate().rev() {
            let inside = level.owner.is_some();
            let boxes: Vec<Drawn> = level
                .nodes
                .iter()
                .enumerate()
                .map(|(number, node)| drawing.measure(index, number, node, inside))
                .collect();
            let sizes: Vec<Size> = boxes.iter().map(|drawn| drawn.size).collect();
            let links: Vec<Link> = level
                .edges
                .iter()
                .enumerate()
                .map(|(number, edge)| link(edge, picture.way.is_some_and(|way| way.edges[index][number])))
                .collect();
            drawing.layouts[index] = Some(lay_out(&sizes, &links));
            drawing.boxes[index] = boxes;
        }
        drawing
    }

    fn size(&self, level: usize) -> Size {
        self.layouts[level].as_ref().map_or(Size { width: 0.0, height: 0.0 }, |layout| layout.size)
    }

    fn measure(&self, level: usize, number: usize, node: &Node, inside: bool) -> Drawn {
        let bare = |width, height| Drawn { lines: Vec::new(), size: Size { width, height }, inside: Vec::new() };
        match node.kind {
            Kind::Start | Kind::End if inside => return bare(2.0 * DOT, 2.0 * DOT),
            Kind::Start | Kind::End => return bare(58.0, 26.0),
            _ => {}
        }
        let name = if node.name.trim().is_empty() { "(no name)" } else { &node.name };
        let line = |class| move |text| Line { text, class };
        let mut lines: Vec<Line> = Vec::new();
        let mut details = node.details.iter();
        lines.extend(details.next().into_iter().flat_map(|text| wrap(text, 38, 3)).map(line("detail")));
        lines.extend(wrap(name, 30, 3).into_iter().map(line("name")));
        lines.extend(details.flat_map(|text| wrap(text, 42, 2)).map(line("detail")));
        let note = self.picture.way.map_or("", |way| way.nodes[level][number].note.as_str());
        lines.extend(wrap(note, 38, 3).into_iter().map(line("note")));
        let text = lines.iter().map(Line::width).fold(0.0, f64::max);
        let slant = if node.kind == Kind::State(Some(StateType::Choice)) { 14.0 } else { 0.0 };
        let mut size = Size {
            width: (text + 2.0 * (PADDING + slant)).max(96.0),
            height: lines.iter().map(Line::height).sum::<f64>() + 14.0,
        };
        let mut places = Vec::new();
        if !node.levels.is_empty() {
            let framed = node.levels.len() > 1;
            let around = if framed { FRAME } else { 0.0 };
            let (mut x, mut y, mut row, mut right) = (FRAME, size.height, 0.0_f64, 0.0_f64);
            for &inner in &node.levels {
                let Size { width, height } = self.size(inner);
                let (width, height) = (width + 2.0 * around, height + 2.0 * around);
                if x > FRAME && x + width > ROW {
                    (x, y, row) = (FRAME, y + row + FRAME, 0.0);
                }
                places.push((inner, (x + around, y + around)));
                x += width + FRAME;
                right = right.max(x);
                row = row.max(height);
            }
            size.height = y + row + FRAME;
            // A group that is wider than what is inside of it has that in its middle.
            let shift = ((size.width - right) / 2.0).max(0.0);
            places.iter_mut().for_each(|(_, place)| place.0 += shift);
            size.width = size.width.max(right);
        }
        Drawn { lines, size, inside: places }
    }

    fn draw(&self, out: &mut String, x: f64, y: f64) {
        let mut pending = vec![(0, x, y)];
        while let Some((level, x, y)) = pending.pop() {
            let Some(layout) = &self.layouts[level] else { continue };
            write(out, format_args!("<g transform=\"translate({x:.1} {y:.1})\">\n"));
            for (number, &(left, top)) in layout.boxes.iter().enumerate() {
                self.node(out, level, number, left, top);
            }
            let edges = &self.picture.graph.levels[level].edges;
            // What was taken is drawn over what was not.
            for over in [false, true] {
                for (number, edge) in edges.iter().enumerate() {
                    let taken = self.picture.way.map(|way| way.edges[level][number]);
                    if (taken == Some(true)) == over {
                        self.edge(out, level, number, edge, taken);
                    }
                }
            }
            for (number, edge) in edges.iter().enumerate() {
                self.label(out, level, number, edge);
            }
            out.push_str("</g>\n");
            for (drawn, &(left, top)) in self.boxes[level].iter().zip(&layout.boxes).rev() {
                pending.extend(
                    drawn.inside.iter().rev().map(|(inner, place)| (*inner, x + left + place.0, y + top + place.1)),
                );
            }
        }
    }

    fn node(&self, out: &mut String, level: usize, number: usize, x: f64, y: f64) {
        let graph = self.picture.graph;
        let node = &graph.levels[level].nodes[number];
        let Drawn { lines, size: Size { width, height }, inside } = &self.boxes[level][number];
        let status = self.picture.way.map(|way| way.nodes[level][number].status);
        let paint = paint(node, status);
        let Paint { fill, stroke, dashed, thick } = &paint;
        let dash = if *dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let style =
            format!("fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{}\"{dash}", if *thick { 2.0 } else { 1.2 });
        match node.kind {
            Kind::Start | Kind::End if graph.levels[level].owner.is_some() => {
                let (cx, cy) = (x + DOT, y + DOT);
                if node.kind == Kind::Start {
                    write(out, format_args!("<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{DOT}\" fill=\"{stroke}\"/>\n"));
                } else {
                    write(
                        out,
                        format_args!(
                            "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{}\" fill=\"#fff\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>\
                             <circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{stroke}\"/>\n",
                            DOT - 0.75
                        ),
                    );
                }
                return;
            }
            Kind::Start | Kind::End => {
                let word = if node.kind == Kind::Start { "Start" } else { "End" };
                write(
                    out,
                    format_args!(
                        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"13\" fill=\"{stroke}\"/>\
                         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" style=\"fill:#fff\">{word}</text>\n",
                        x + width / 2.0,
                        y + 17.0
                    ),
                );
                return;
            }
            _ => {}
        }
        write(out, format_args!("<g><title>{}</title>", xml(&clean(&node.name))));
        if node.kind == Kind::State(Some(StateType::Choice)) {
            let (left, right, slant) = (x, x + width, 14.0);
            write(
                out,
                format_args!(
                    "<path d=\"M{:.1} {y:.1} L{:.1} {y:.1} L{right:.1} {middle:.1} L{:.1} {bottom:.1} L{:.1} {bottom:.1} L{left:.1} {middle:.1} z\" {style}/>",
                    left + slant,
                    right - slant,
                    right - slant,
                    left + slant,
                    middle = y + height / 2.0,
                    bottom = y + height,
                ),
            );
        } else {
            let radius =
                if matches!(node.kind, Kind::State(Some(StateType::Succeed | StateType::Fail))) { 16 } else { 6 };
            write(
                out,
                format_args!(
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\" {style}/>"
                ),
            );
        }
        let mut baseline = y + 7.0;
        for line in lines {
            baseline += line.height();
            let class = if *dashed && line.class == "name" { "name detail" } else { line.class };
            write(
                out,
                format_args!(
                    "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    x + width / 2.0,
                    baseline - 3.5,
                    xml(&line.text)
                ),
            );
        }
        if inside.len() > 1 {
            for (inner, (left, top)) in inside {
                let size = self.size(*inner);
                write(
                    out,
                    format_args!(
                        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\" fill=\"#fff\" fill-opacity=\"0.6\" \
                         stroke=\"#b6bec9\" stroke-dasharray=\"3 3\"/>",
                        x + left - FRAME,
                        y + top - FRAME,
                        size.width + 2.0 * FRAME,
                        size.height + 2.0 * FRAME
                    ),
                );
            }
        }
        out.push_str("</g>\n");
    }

    fn edge(&self, out: &mut String, level: usize, number: usize, edge: &Edge, taken: Option<bool>) {
        let Some(layout) = &self.layouts[level] else { return };
        let route = &layout.routes[number];
        let mut path = String::new();
        let mut last: Option<(f64, f64)> = None;
        if edge.from == edge.to {
            if let [(x1, y1), (x2, _), (_, y3), (x4, y4)] = route.points[..] {
                write(&mut path, format_args!("M{x1:.1} {y1:.1} C{x2:.1} {y1:.1} {x2:.1} {y3:.1} {x4:.1} {y4:.1}"));
            }
        } else {
            for &(x, y) in &route.points {
                match last {
                    None => write(&mut path, format_args!("M{x:.1} {y:.1}")),
                    Some((before, _)) if (before - x).abs() < 0.5 => write(&mut path, format_args!(" L{x:.1} {y:.1}")),
                    Some((before, above)) => {
                        let middle = (above + y) / 2.0;
                        write(&mut path, format_args!(" C{before:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}"));
                    }
                }
                last = Some((x, y));
            }
        }
        let catch = if edge.catch { " catch" } else { "" };
        let (state, arrow) = match taken {
            None => ("", "arrow"),
            Some(false) => (" off", "arrow"),
            Some(true) => (" taken", "taken"),
        };
        let marker = if route.joins { String::new() } else { format!(" marker-end=\"url(#{arrow})\"") };
        write(out, format_args!("<path class=\"edge{catch}{state}\" d=\"{path}\"{marker}/>\n"));
        if let (true, Some((x, y))) = (route.cut, last) {
            let name = &self.picture.graph.levels[level].nodes[edge.to].name;
            let name = if name.is_empty() { "End" } else { name };
            let name = wrap(name, 22, 1).concat();
            write(
                out,
                format_args!(
                    "<text class=\"label\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">→ {}</text>\n",
                    y + CUT.height - 4.0,
                    xml(&name)
                ),
            );
        }
    }

    fn label(&self, out: &mut String, level: usize, number: usize, edge: &Edge) {
        let Some(route) = self.layouts[level].as_ref().map(|layout| &layout.routes[number]) else { return };
        let (Some((x, y)), Some(size)) = (route.label, label_size(edge)) else { return };
        write(
            out,
            format_args!(
                "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"#fff\" fill-opacity=\"0.92\"/>",
                xml(&edge.labels.join("\n").chars().take(4000).collect::<String>()),
                size.width,
                size.height
            ),
        );
        for (index, line) in label_lines(edge).iter().enumerate() {
            write(
                out,
                format_args!(
                    "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    x + size.width / 2.0,
                    y + 11.5 + 13.0 * index as f64,
                    xml(line)
                ),
            );
        }
        out.push_str("</g>\n");
    }
}

/// What was taken is drawn over the rest, so all of it is needed.
fn link(edge: &Edge, taken: bool) -> Link {
    Link { from: edge.from, to: edge.to, kind: edge.catch, label: label_size(edge), whole: taken }
}

fn label_lines(edge: &Edge) -> Vec<String> {
    let most = 8;
    let mut lines: Vec<String> = edge.labels.iter().take(most + 1).flat_map(|label| wrap(label, 34, 4)).collect();
    if lines.len() > most {
        lines.truncate(most - 1);
        lines.push(format!("… {} in all", edge.labels.len()));
    }
    lines
}

fn label_size(edge: &Edge) -> Option<Size> {
    let lines = label_lines(edge);
    let widest = lines.iter().map(|line| width(line, 11.0, false)).fold(0.0, f64::max);
    (!lines.is_empty()).then_some(Size { width: widest + 8.0, height: 13.0 * lines.len() as f64 + 4.0 })
}

struct Paint {
    fill: &'static str,
    stroke: &'static str,
    dashed: bool,
    thick: bool,
}

/// Without a way, the type gives the colour; with one, what became of the state.
fn paint(node: &Node, status: Option<Status>) -> Paint {
    let plain = |fill, stroke| Paint { fill, stroke, dashed: false, thick: false };
    let seen = |fill, stroke| Paint { fill, stroke, dashed: false, thick: true };
    match (node.kind, status) {
        (Kind::Missing, _) => Paint { fill: "#fff", stroke: "#d13212", dashed: true, thick: false },
        (Kind::Start | Kind::End, None) => plain("#fff", LINE),
        (Kind::Start | Kind::End, Some(Status::Succeeded)) => plain("#fff", TAKEN),
        (Kind::Start | Kind::End, Some(_)) => plain("#fff", "#98a2ae"),
        (_, Some(Status::NotReached)) => Paint { fill: "#fff", stroke: "#98a2ae", dashed: true, thick: false },
        (_, Some(Status::Succeeded)) => seen("#dff3e0", TAKEN),
        (_, Some(Status::Caught)) => seen("#fdebd0", "#d97706"),
        (_, Some(Status::Aborted)) => seen("#e9ebed", LINE),
        (_, Some(Status::Failed)) => seen("#fadbd8", "#d13212"),
        (_, Some(Status::Running)) => seen("#d6eaf8", "#0972d3"),
        (_, Some(Status::Apart)) => plain("#fff", LINE),
        (Kind::State(kind), None) => match kind {
            Some(StateType::Task) => plain("#fef5e7", "#c77c11"),
            Some(StateType::Pass) => plain("#f4f5f6", "#687078"),
            Some(StateType::Choice) => plain("#fbf6d9", "#a08a00"),
            Some(StateType::Wait) => plain("#f3eefb", "#7d57c1"),
            Some(StateType::Succeed) => plain("#e6f4e6", "#1d8102"),
            Some(StateType::Fail) => plain("#fbe6e3", "#d13212"),
            Some(StateType::Parallel) => plain("#f2f7fd", "#3b73b9"),
            Some(StateType::Map) => plain("#eef8f7", "#1b8a80"),
            None => plain("#fff", "#d13212"),
        },
    }
}
