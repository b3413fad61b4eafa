//! Where in its layer everything stands: Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment" (2002). Four
//! times what can stand straight below each other is put into blocks, which are pushed together from one side; the middle of
//! the four is taken.

use std::collections::HashSet;

use super::{APART, ARROWS, Layered, What};

/// The x of each vertex's middle.
pub fn place(graph: &Layered) -> Vec<f64> {
    let conflicts = conflicts(graph);
    let mut four = Vec::new();
    for down in [true, false] {
        for left in [true, false] {
            let mut layers: Vec<Vec<usize>> = graph.layers.clone();
            if !down {
                layers.reverse();
            }
            if !left {
                layers.iter_mut().for_each(|layer| layer.reverse());
            }
            let neighbours = if down { &graph.up } else { &graph.down };
            let root = align(&layers, neighbours, &conflicts);
            let mut xs = compact(graph, &layers, &root);
            if !left {
                xs.iter_mut().for_each(|x| *x = -*x);
            }
            four.push(xs);
        }
    }
    balance(graph, &four)
}

/// How far apart the middles of two neighbours are at least.
fn apart(graph: &Layered, a: usize, b: usize) -> f64 {
    let (a, b) = (&graph.vertices[a], &graph.vertices[b]);
    let gap = match (a.what, b.what) {
        (What::Box(_), What::Box(_)) => APART,
        (What::Box(_), _) | (_, What::Box(_)) => APART * 0.7,
        _ => ARROWS,
    };
    (a.size.width + b.size.width) / 2.0 + gap
}

/// The arcs that cross one between two passing edges, which is to be straight.
fn conflicts(graph: &Layered) -> HashSet<(usize, usize)> {
    let mut found = HashSet::new();
    let passing = |vertex: usize| graph.vertices[vertex].what == What::Passing;
    for pair in graph.layers.windows(2) {
        let mut position = std::collections::HashMap::new();
        for (index, vertex) in pair[0].iter().enumerate() {
            position.insert(*vertex, index);
        }
        let (mut scanned, mut from) = (0, 0);
        for (index, vertex) in pair[1].iter().enumerate() {
            let inner = graph.up[*vertex].iter().find(|upper| passing(*vertex) && passing(**upper));
            if inner.is_none() && index + 1 < pair[1].len() {
                continue;
            }
            let to = inner.map_or(pair[0].len(), |upper| position[upper]);
            for lower in &pair[1][scanned..=index] {
                for upper in &graph.up[*lower] {
                    let at = position[upper];
                    if (at < from || at > to) && !(passing(*lower) && passing(*upper)) {
                        found.insert((*upper, *lower));
                    }
                }
            }
            (scanned, from) = (index + 1, to);
        }
    }
    found
}

/// The block that each vertex is in, named after the first of it.
fn align(layers: &[Vec<usize>], neighbours: &[Vec<usize>], conflicts: &HashSet<(usize, usize)>) -> Vec<usize> {
    let count = neighbours.len();
    let mut root: Vec<usize> = (0..count).collect();
    let mut has_next = vec![false; count];
    let mut position = vec![0; count];
    for layer in layers {
        for (index, vertex) in layer.iter().enumerate() {
            position[*vertex] = index;
        }
    }
    for layer in layers {
        let mut next_free = 0;
        for &vertex in layer {
            let mut others = neighbours[vertex].clone();
            others.sort_by_key(|other| position[*other]);
            let Some(last) = others.len().checked_sub(1) else { continue };
            for &other in &others[last / 2..=last.div_ceil(2)] {
                let conflict = conflicts.contains(&(other, vertex)) || conflicts.contains(&(vertex, other));
                if !has_next[other] && position[other] >= next_free && root[vertex] == vertex && !conflict {
                    has_next[other] = true;
                    root[vertex] = root[other];
                    next_free = position[other] + 1;
                }
            }
        }
    }
    root
}

/// Pushes the blocks to the left, then each as far to the right as its neighbours let it.
fn compact(graph: &Layered, layers: &[Vec<usize>], root: &[usize]) -> Vec<f64> {
    let count = root.len();
    let (mut after, mut before): (Vec<Vec<(usize, f64)>>, Vec<usize>) = (vec![Vec::new(); count], vec![0; count]);
    for layer in layers {
        for pair in layer.windows(2) {
            let gap = apart(graph, pair[0], pair[1]);
            let (left, right) = (root[pair[0]], root[pair[1]]);
            after[left].push((right, gap));
            before[right] += 1;
        }
    }
    let mut xs = vec![0.0_f64; count];
    let mut ready: Vec<usize> = (0..count).filter(|vertex| root[*vertex] == *vertex && before[*vertex] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(block) = ready.pop() {
        order.push(block);
        for &(next, gap) in &after[block] {
            xs[next] = xs[next].max(xs[block] + gap);
            before[next] -= 1;
            if before[next] == 0 {
                ready.push(next);
            }
        }
    }
    for &block in order.iter().rev() {
        let room = after[block].iter().map(|(next, gap)| xs[*next] - gap).fold(f64::INFINITY, f64::min);
        if room.is_finite() {
            xs[block] = xs[block].max(room);
        }
    }
    (0..count).map(|vertex| xs[root[vertex]]).collect()
}

/// Lays the four over the narrowest of them, and takes the mean of the two in the middle.
fn balance(graph: &Layered, four: &[Vec<f64>]) -> Vec<f64> {
    let bounds = |xs: &Vec<f64>| {
        let ends = xs
            .iter()
            .zip(&graph.vertices)
            .map(|(x, vertex)| (x - vertex.size.width / 2.0, x + vertex.size.width / 2.0));
        ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (left, right)| (low.min(left), high.max(right)))
    };
    let all: Vec<(f64, f64)> = four.iter().map(bounds).collect();
    let narrowest = all.iter().copied().min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0))).unwrap_or((0.0, 0.0));
    let shifts: Vec<f64> = all
        .iter()
        .enumerate()
        .map(|(index, (low, high))| if index % 2 == 0 { narrowest.0 - low } else { narrowest.1 - high })
        .collect();
    (0..graph.vertices.len())
        .map(|vertex| {
            let mut xs: Vec<f64> = four.iter().zip(&shifts).map(|(xs, shift)| xs[vertex] + shift).collect();
            xs.sort_by(f64::total_cmp);
            (xs[1] + xs[2]) / 2.0
        })
        .collect()
}

/// The places nearest to those wanted, which are in order, that are `apart` from each other: pools of neighbours that get in
/// each other's way stand around their mean.
pub fn spread(wanted: &[f64], apart: f64) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (index, x) in wanted.iter().enumerate() {
        let mut pool = (x - apart * index as f64, 1);
        while let Some(&(sum, count)) = pools.last()
            && sum / count as f64 > pool.0 / pool.1 as f64
        {
            pools.pop();
            pool = (pool.0 + sum, pool.1 + count);
        }
        pools.push(pool);
    }
    let means = pools.into_iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    means.enumerate().map(|(index, x)| x + apart * index as f64).collect()
}
