//! Where the boxes and arrows of one level go: layers from top to bottom, as Sugiyama, Tagawa and Toda draw them (1981).
//!
//! No edge leaves its level, so a group is a box like any other once its inside is laid out, and each level is laid out
//! alone. An edge that passes a layer has a place of its own there, as has each label, so that nothing is drawn over
//! a box or a label. Edges to one target share their way there.

mod order;
mod place;
mod rank;

use std::collections::HashMap;

/// A box to be placed, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub width: f64,
    pub height: f64,
}

/// An arrow to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    /// Only those alike share their ways.
    pub kind: bool,
    /// Of its label.
    pub label: Option<Size>,
    /// Whether it is drawn up to its target even where it shares its way with one before it.
    pub whole: bool,
}

/// Where everything is; 0, 0 is the upper left corner.
#[derive(Debug)]
pub struct Layout {
    /// Each box's upper left corner.
    pub boxes: Vec<(f64, f64)>,
    /// As the links.
    pub routes: Vec<Route>,
    pub size: Size,
}

/// Where an arrow goes.
#[derive(Debug, Default)]
pub struct Route {
    /// From the source to the target; between two points of different x it is a curve, in which both ends are vertical.
    pub points: Vec<(f64, f64)>,
    /// The upper left corner of its label.
    pub label: Option<(f64, f64)>,
    /// Its target is too far to be drawn to: it ends at its last point, where the target's name is to be written.
    pub cut: bool,
    /// It ends where it meets one before it that leads to the same target.
    pub joins: bool,
}

/// Between two boxes, or between a box and something else, in a layer.
const APART: f64 = 34.0;
/// Between two arrows in a layer.
const ARROWS: f64 = 16.0;
/// Between two layers of boxes.
const BETWEEN: f64 = 40.0;
/// Between a layer and the labels below it.
const LABELS: f64 = 18.0;
/// How many places of passing edges are laid out at most; what would need more is cut.
const MAX_PASSING: usize = 60_000;
/// The size of what stands for the target of an edge that is cut.
pub const CUT: Size = Size { width: 150.0, height: 18.0 };

/// What has a place in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Box(usize),
    /// Of this link.
    Label(usize),
    /// A passing edge.
    Passing,
}

#[derive(Clone, Copy, Debug)]
struct Vertex {
    what: What,
    /// Even ones hold boxes, odd ones labels.
    rank: usize,
    size: Size,
}

/// The layered graph: each arc leads from a rank to the next.
#[derive(Default)]
struct Layered {
    vertices: Vec<Vertex>,
    down: Vec<Vec<usize>>,
    up: Vec<Vec<usize>>,
    /// Each layer's vertices from left to right.
    layers: Vec<Vec<usize>>,
}

impl Layered {
    fn add(&mut self, what: What, rank: usize, size: Size) -> usize {
        self.vertices.push(Vertex { what, rank, size });
        self.down.push(Vec::new());
        self.up.push(Vec::new());
        self.vertices.len() - 1
    }

    fn arc(&mut self, from: usize, to: usize) {
        let there = match self.down[from].len() < self.up[to].len() {
            true => self.down[from].contains(&to),
            false => self.up[to].contains(&from),
        };
        if !there {
            self.down[from].push(to);
            self.up[to].push(from);
        }
    }

    fn is_box(&self, vertex: usize) -> bool {
        matches!(self.vertices[vertex].what, What::Box(_))
    }
}

/// Lays out the boxes of one level, the first of which is where it starts.
pub fn lay_out(boxes: &[Size], links: &[Link]) -> Layout {
    let ranks = rank::rank(boxes.len(), links);
    let cut = far(links, &ranks);
    let mut layered = Layered::default();
    // A loop is drawn beside its box, so the box needs the room on both sides to stay in the middle.
    let mut beside = vec![0.0_f64; boxes.len()];
    for link in links.iter().filter(|link| link.from == link.to) {
        beside[link.from] = beside[link.from].max(LOOP + link.label.map_or(0.0, |label| label.width + 6.0));
    }
    for (index, size) in boxes.iter().enumerate() {
        let size = Size { width: size.width + 2.0 * beside[index], height: size.height };
        layered.add(What::Box(index), ranks.ranks[index], size);
    }
    let mut ways: Vec<Vec<usize>> = Vec::new();
    let mut room = MAX_PASSING;
    let mut shared: HashMap<(usize, bool, bool, usize), usize> = HashMap::new();
    for (index, link) in links.iter().enumerate() {
        let span = ranks.ranks[link.from].abs_diff(ranks.ranks[link.to]);
        let whole = link.whole && span <= room;
        room -= if whole { span } else { 0 };
        ways.push(way(&mut layered, &mut shared, &ranks.ranks, (index, &Link { whole, ..*link }), cut[index]));
    }
    let last = layered.vertices.iter().map(|vertex| vertex.rank).max().unwrap_or(0);
    layered.layers = vec![Vec::new(); last + 1];
    order::order(&mut layered, boxes.len());
    let xs = place::place(&layered);
    draw(&layered, boxes, links, &ways, &xs, &cut)
}

/// How far a loop stands out.
const LOOP: f64 = 26.0;

/// Whether each link is too long: where passing edges would need too many places, those to the farthest targets.
fn far(links: &[Link], ranks: &rank::Ranks) -> Vec<bool> {
    let span = |link: &Link| ranks.ranks[link.from].abs_diff(ranks.ranks[link.to]);
    let mut longest: HashMap<(usize, bool, bool), usize> = HashMap::new();
    for link in links {
        let key = (link.to, link.kind, ranks.ranks[link.from] > ranks.ranks[link.to]);
        let longest = longest.entry(key).or_default();
        *longest = span(link).max(*longest);
    }
    let mut spans: Vec<usize> = longest.into_values().collect();
    spans.sort_unstable();
    let mut sum = 0;
    let most = spans.into_iter().take_while(|span| {
        sum += span;
        sum <= MAX_PASSING
    });
    let most = most.last().unwrap_or(0).max(2);
    let all = sum <= MAX_PASSING;
    links.iter().map(|link| !all && span(link) > most).collect()
}

/// The vertices of a link from its source to its target.
fn way(
    layered: &mut Layered,
    shared: &mut HashMap<(usize, bool, bool, usize), usize>,
    ranks: &[usize],
    (index, link): (usize, &Link),
    cut: bool,
) -> Vec<usize> {
    let (from, to) = (ranks[link.from], ranks[link.to]);
    let nothing = Size { width: 0.0, height: 0.0 };
    if link.from == link.to {
        return Vec::new();
    }
    let back = from > to;
    let mut way = vec![link.from];
    if cut {
        let label = layered.add(What::Label(index), from + 1, link.label.unwrap_or(nothing));
        let end = layered.add(What::Passing, from + 2, CUT);
        way.extend([label, end]);
    } else {
        let between: Box<dyn Iterator<Item = usize>> =
            if back { Box::new((to + 1..from).rev()) } else { Box::new(from + 1..to) };
        let mut joins = false;
        for (step, rank) in between.enumerate() {
            if let Some(label) = link.label.filter(|_| step == 0) {
                way.push(layered.add(What::Label(index), rank, label));
                continue;
            }
            let key = (link.to, link.kind, back, rank);
            if let Some(vertex) = shared.get(&key) {
                way.push(*vertex);
                joins = !link.whole;
            } else {
                let vertex = layered.add(What::Passing, rank, nothing);
                shared.insert(key, vertex);
                way.push(vertex);
            }
            if joins {
                break;
            }
        }
        way.extend((!joins).then_some(link.to));
    }
    for pair in way.windows(2) {
        let back = layered.vertices[pair[0]].rank > layered.vertices[pair[1]].rank;
        if back { layered.arc(pair[1], pair[0]) } else { layered.arc(pair[0], pair[1]) }
    }
    way
}

/// From places in layers to pixels.
fn draw(layered: &Layered, boxes: &[Size], links: &[Link], ways: &[Vec<usize>], xs: &[f64], cut: &[bool]) -> Layout {
    let (tops, bottoms) = heights(layered, xs);
    let vertex = |index: usize| &layered.vertices[index];
    let corner = |index: usize, size: Size| (xs[index] - size.width / 2.0, tops[vertex(index).rank]);
    let ports = Ports::new(layered, boxes, xs);
    let mut routes = Vec::with_capacity(links.len());
    for (index, (link, way)) in links.iter().zip(ways).enumerate() {
        let joins = way.last().is_some_and(|last| *last != link.to) && !cut[index];
        let mut route = Route { cut: cut[index], joins, ..Route::default() };
        if way.is_empty() {
            let (x, y) = corner(link.from, boxes[link.from]);
            let right = x + boxes[link.from].width;
            let height = boxes[link.from].height;
            // Drawn by its four corners: out, aside, back.
            route.points = vec![
                (right, y + height * 0.3),
                (right + LOOP, y + height * 0.3),
                (right + LOOP, y + height * 0.7),
                (right, y + height * 0.7),
            ];
            route.label = link.label.map(|label| (right + LOOP + 4.0, y + (height - label.height) / 2.0));
            routes.push(route);
            continue;
        }
        let back = vertex(way[0]).rank > vertex(way[1]).rank;
        for (step, pair) in way.windows(2).enumerate() {
            let (upper, lower) = if back { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
            let from = (ports.bottom(layered, xs, upper, lower), bottoms[vertex(upper).rank]);
            let to = (ports.top(layered, xs, upper, lower), tops[vertex(lower).rank]);
            // A box may end above the end of its layer.
            let own_end = match vertex(upper).what {
                What::Box(number) => Some((from.0, tops[vertex(upper).rank] + boxes[number].height)),
                _ => None,
            };
            let mut points: Vec<(f64, f64)> = own_end.into_iter().chain([from, to]).collect();
            if back {
                points.reverse();
            }
            if step + 2 < way.len() || !route.cut {
                route.points.extend(points);
            } else {
                route.points.extend([points[0], (xs[lower], to.1)]);
            }
        }
        route.points.dedup();
        route.label = way.iter().find_map(|index| match vertex(*index) {
            Vertex { what: What::Label(_), size, .. } if size.width > 0.0 => Some(corner(*index, *size)),
            _ => None,
        });
        routes.push(route);
    }
    let mut left = f64::INFINITY;
    let mut right: f64 = 0.0;
    for (index, vertex) in layered.vertices.iter().enumerate() {
        left = left.min(xs[index] - vertex.size.width / 2.0);
        right = right.max(xs[index] + vertex.size.width / 2.0);
    }
    let left = if left.is_finite() { left } else { 0.0 };
    let corners = boxes.iter().enumerate().map(|(index, size)| {
        let (x, y) = corner(index, *size);
        (x - left, y)
    });
    for route in &mut routes {
        route.points.iter_mut().chain(&mut route.label).for_each(|point| point.0 -= left);
    }
    Layout {
        boxes: corners.collect(),
        routes,
        size: Size { width: right - left, height: bottoms.last().copied().unwrap_or(0.0) },
    }
}

/// Top and bottom of each layer. Where edges go far aside, there is more room for their curves.
fn heights(layered: &Layered, xs: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let tallest = |layer: &Vec<usize>| layer.iter().map(|v| layered.vertices[*v].size.height).fold(0.0, f64::max);
    let aside = |layer: &Vec<usize>| {
        let arcs = layer.iter().flat_map(|v| layered.down[*v].iter().map(|w| (xs[*v] - xs[*w]).abs()));
        arcs.fold(0.0, f64::max)
    };
    let (mut tops, mut bottoms) = (Vec::new(), Vec::new());
    let mut y = 0.0;
    for (rank, layer) in layered.layers.iter().enumerate() {
        let height = tallest(layer);
        tops.push(y);
        y += height;
        bottoms.push(y);
        let labels = rank % 2 == 1 && height > 0.0;
        let labels_next = rank % 2 == 0 && layered.layers.get(rank + 1).is_some_and(|next| tallest(next) > 0.0);
        let gap = if labels || labels_next { LABELS } else { BETWEEN / 2.0 };
        y += gap + (aside(layer) * 0.06).min(24.0);
    }
    (tops, bottoms)
}

/// Where edges touch boxes: each as near to where it goes as the others let it.
struct Ports {
    /// By upper and lower vertex.
    bottoms: HashMap<(usize, usize), f64>,
    tops: HashMap<(usize, usize), f64>,
}

impl Ports {
    fn new(layered: &Layered, boxes: &[Size], xs: &[f64]) -> Self {
        let mut ports = Self { bottoms: HashMap::new(), tops: HashMap::new() };
        for (index, size) in boxes.iter().enumerate() {
            let along = |others: &[usize]| {
                let mut others = others.to_vec();
                others.sort_by(|a, b| xs[*a].total_cmp(&xs[*b]));
                let half = (size.width / 2.0 - 14.0).max(0.0);
                let apart = (2.0 * half / (others.len() as f64)).min(14.0);
                let wanted: Vec<f64> = others.iter().map(|other| (xs[*other] - xs[index]).clamp(-half, half)).collect();
                let found = place::spread(&wanted, apart);
                others.into_iter().zip(found.into_iter().map(|x| xs[index] + x.clamp(-half, half))).collect::<Vec<_>>()
            };
            for (other, x) in along(&layered.down[index]) {
                ports.bottoms.insert((index, other), x);
            }
            for (other, x) in along(&layered.up[index]) {
                ports.tops.insert((other, index), x);
            }
        }
        ports
    }

    fn bottom(&self, layered: &Layered, xs: &[f64], upper: usize, lower: usize) -> f64 {
        if layered.is_box(upper) { self.bottoms.get(&(upper, lower)).copied().unwrap_or(xs[upper]) } else { xs[upper] }
    }

    fn top(&self, layered: &Layered, xs: &[f64], upper: usize, lower: usize) -> f64 {
        if layered.is_box(lower) { self.tops.get(&(upper, lower)).copied().unwrap_or(xs[lower]) } else { xs[lower] }
    }
}
