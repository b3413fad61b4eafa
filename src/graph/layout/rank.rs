//! In which layer each box is: below all that lead to it, those edges left aside that lead back.

use super::Link;

/// Each box's rank: even numbers, so that there is a layer for labels between any two.
pub struct Ranks {
    pub ranks: Vec<usize>,
}

/// The longest way from the start decides.
pub fn rank(boxes: usize, links: &[Link]) -> Ranks {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); boxes];
    for link in links.iter().filter(|link| link.from != link.to) {
        out[link.from].push(link.to);
    }
    let (order, position) = topological(&out);
    let mut ranks = vec![0_usize; boxes];
    let mut reached = vec![false; boxes];
    for &node in &order {
        for &next in out[node].iter().filter(|next| position[**next] > position[node]) {
            ranks[next] = ranks[next].max(ranks[node] + 2);
            reached[next] = true;
        }
    }
    // What nothing leads to stands right above what it leads to.
    for &node in order.iter().rev() {
        if !reached[node] && node != 0 {
            let nearest =
                out[node].iter().filter(|next| position[**next] > position[node]).map(|next| ranks[*next]).min();
            ranks[node] = nearest.map_or(ranks[node], |nearest| nearest.saturating_sub(2));
        }
    }
    Ranks { ranks }
}

/// The order in which a depth-first search is done with the nodes, last first. Edges against it lead back.
fn topological(out: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = vec![false; out.len()];
    let mut done = Vec::with_capacity(out.len());
    for root in 0..out.len() {
        if seen[root] {
            continue;
        }
        seen[root] = true;
        // The node and how many of its edges were followed.
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.last_mut() {
            match out[*node].get(*next) {
                Some(&to) => {
                    *next += 1;
                    if !seen[to] {
                        seen[to] = true;
                        path.push((to, 0));
                    }
                }
                None => {
                    done.push(*node);
                    path.pop();
                }
            }
        }
    }
    done.reverse();
    let mut position = vec![0; out.len()];
    for (index, node) in done.iter().enumerate() {
        position[*node] = index;
    }
    (done, position)
}
