//! In which order things stand in their layers, so that few edges cross: barycentres, then neighbours that had better change
//! places.

use super::Layered;

/// Fills the layers.
pub fn order(graph: &mut Layered, boxes: usize) {
    initial(graph, boxes);
    let size = graph.vertices.len();
    let sweeps = if size > 20_000 { 4 } else { 16 };
    let mut positions = positions(graph);
    let mut best = graph.layers.clone();
    let mut fewest = crossings(graph, &positions);
    for sweep in 0..sweeps {
        if fewest == 0 {
            break;
        }
        let down = sweep % 2 == 0;
        let count = graph.layers.len();
        for step in 1..count {
            let layer = if down { step } else { count - 1 - step };
            barycentres(graph, &mut positions, layer, down, sweep % 4 >= 2);
        }
        if size <= 4_000 {
            transpose(graph, &mut positions);
        }
        let now = crossings(graph, &positions);
        if now < fewest {
            fewest = now;
            best.clone_from(&graph.layers);
        }
    }
    graph.layers = best;
}

/// As a depth-first search from the start meets them: what is written first stands left.
fn initial(graph: &mut Layered, boxes: usize) {
    let mut seen = vec![false; graph.vertices.len()];
    for root in 0..boxes {
        let mut pending = vec![root];
        while let Some(vertex) = pending.pop() {
            if std::mem::replace(&mut seen[vertex], true) {
                continue;
            }
            let rank = graph.vertices[vertex].rank;
            graph.layers[rank].push(vertex);
            pending.extend(graph.down[vertex].iter().rev().filter(|next| !seen[**next]));
        }
    }
}

fn positions(graph: &Layered) -> Vec<usize> {
    let mut positions = vec![0; graph.vertices.len()];
    for layer in &graph.layers {
        for (index, vertex) in layer.iter().enumerate() {
            positions[*vertex] = index;
        }
    }
    positions
}

/// Sorts a layer by where the neighbours stand. Those of one barycentre change places where `turned`: an edge that goes back up
/// beside one that goes down gets to its other side no other way.
fn barycentres(graph: &mut Layered, positions: &mut [usize], layer: usize, down: bool, turned: bool) {
    let neighbours = if down { &graph.up } else { &graph.down };
    let mut keyed: Vec<(f64, usize)> = graph.layers[layer]
        .iter()
        .map(|vertex| {
            let others = &neighbours[*vertex];
            let sum: usize = others.iter().map(|other| positions[*other]).sum();
            let own = positions[*vertex] as f64;
            (if others.is_empty() { own } else { sum as f64 / others.len() as f64 }, *vertex)
        })
        .collect();
    if turned {
        keyed.reverse();
    }
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (index, (_, vertex)) in keyed.into_iter().enumerate() {
        graph.layers[layer][index] = vertex;
        positions[vertex] = index;
    }
}

/// Swaps neighbours as long as that saves crossings.
fn transpose(graph: &mut Layered, positions: &mut [usize]) {
    for _ in 0..4 {
        let mut better = false;
        for layer in 0..graph.layers.len() {
            for index in 1..graph.layers[layer].len() {
                let (left, right) = (graph.layers[layer][index - 1], graph.layers[layer][index]);
                let cost = |a: usize, b: usize| {
                    pair_crossings(&graph.up[a], &graph.up[b], positions)
                        + pair_crossings(&graph.down[a], &graph.down[b], positions)
                };
                if cost(right, left) < cost(left, right) {
                    graph.layers[layer].swap(index - 1, index);
                    positions[left] = index;
                    positions[right] = index - 1;
                    better = true;
                }
            }
        }
        if !better {
            return;
        }
    }
}

/// Crossings between the edges of two neighbours of which the first stands left.
fn pair_crossings(left: &[usize], right: &[usize], positions: &[usize]) -> usize {
    // Hubs have many edges; where there are too many to count, some stand for all.
    let most = 64;
    left.iter().take(most).map(|a| right.iter().take(most).filter(|b| positions[**b] < positions[*a]).count()).sum()
}

/// All crossings, by a Fenwick tree over each lower layer.
fn crossings(graph: &Layered, positions: &[usize]) -> u64 {
    let mut all = 0;
    for pair in graph.layers.windows(2) {
        let mut tree = vec![0_u64; pair[1].len() + 1];
        let mut inserted = 0;
        for vertex in &pair[0] {
            let mut ends: Vec<usize> = graph.down[*vertex].iter().map(|lower| positions[*lower]).collect();
            ends.sort_unstable();
            for end in &ends {
                let (mut at, mut up_to) = (end + 1, 0);
                while at > 0 {
                    up_to += tree[at];
                    at &= at - 1;
                }
                all += inserted - up_to;
            }
            for end in ends {
                let mut at = end + 1;
                while at < tree.len() {
                    tree[at] += 1;
                    at += at & at.wrapping_neg();
                }
                inserted += 1;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::layout::{Size, What};

    /// A list read page by page: what asks for the next page goes back to the Map, and its edge need not cross the one to the end.
    #[test]
    fn a_way_back_goes_beside_a_way_down() {
        let nothing = Size { width: 0.0, height: 0.0 };
        let mut graph = Layered::default();
        let ranks = [0, 1, 3, 3, 2, 2, 2, 1];
        let [map, more, next, done, to_next, to_done, low, high] =
            ranks.map(|rank| graph.add(What::Passing, rank, nothing));
        let edges = [
            (map, more),
            (more, to_next),
            (to_next, next),
            (more, to_done),
            (to_done, done),
            (map, high),
            (high, low),
            (low, next),
        ];
        for (from, to) in edges {
            graph.down[from].push(to);
            graph.up[to].push(from);
        }
        graph.layers = vec![Vec::new(); 4];
        order(&mut graph, 4);
        assert_eq!(crossings(&graph, &positions(&graph)), 0, "{:?}", graph.layers);
    }
}
