//! Least squares in a few columns whose coefficients can't be negative: what requests cost, from what
//! many mixes of them cost together.

/// Coefficients of zero or more that bring `Σ wᵢ (yᵢ − Σⱼ xᵢⱼ cⱼ)²` down as far as can be: non-negative
/// least squares (Lawson & Hanson 1974, ch. 23). Which coefficients are zero is found by trying all
/// ways: with the few columns here that is exact, and shorter than being clever.
///
/// `None` where the rows can't tell the columns apart.
pub fn non_negative<const K: usize>(
    rows: &[[f64; K]],
    values: &[f64],
    weights: &[f64],
) -> Option<[f64; K]> {
    let mut normal = [[0.0; K]; K];
    let mut right = [0.0; K];
    for ((row, y), w) in rows.iter().zip(values).zip(weights) {
        for i in 0..K {
            right[i] += w * row[i] * y;
            for j in 0..K {
                normal[i][j] += w * row[i] * row[j];
            }
        }
    }
    // How well a solution does, but for a constant.
    let loss = |c: &[f64; K]| {
        let quadratic = |i: usize| (0..K).map(|j| normal[i][j] * c[j]).sum::<f64>();
        (0..K).map(|i| c[i] * (quadratic(i) - 2.0 * right[i])).sum::<f64>()
    };
    let all = 1_u32 << K;
    let tried = (1..all).filter_map(|used| solve(&normal, &right, used));
    let possible = tried.filter(|c| c.iter().all(|x| *x >= 0.0));
    possible.min_by(|a, b| loss(a).total_cmp(&loss(b)))
}

/// Solves for the coefficients whose bits are set in `used`, the others being zero: Gauss with the
/// largest pivot.
fn solve<const K: usize>(normal: &[[f64; K]; K], right: &[f64; K], used: u32) -> Option<[f64; K]> {
    let columns: Vec<usize> = (0..K).filter(|column| used >> column & 1 == 1).collect();
    let mut rows: Vec<Vec<f64>> = columns
        .iter()
        .map(|i| columns.iter().map(|j| normal[*i][*j]).chain([right[*i]]).collect())
        .collect();
    let n = columns.len();
    for pivot in 0..n {
        let largest = (pivot..n).max_by(|a, b| {
            let size = |row: &usize| rows[*row][pivot].abs();
            size(a).total_cmp(&size(b))
        })?;
        rows.swap(pivot, largest);
        let scale = normal[columns[pivot]][columns[pivot]].abs();
        if rows[pivot][pivot].abs() <= 1e-12 * scale {
            return None;
        }
        let top = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(other, _)| *other != pivot) {
            let factor = row[pivot] / top[pivot];
            row.iter_mut().zip(&top).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    let mut solution = [0.0; K];
    for (row, column) in columns.iter().enumerate() {
        solution[*column] = rows[row][n] / rows[row][row];
    }
    Some(solution)
}

/// How badly the columns can be told apart: the ratio of the largest to the smallest singular value,
/// after each column has been brought to the same length (Belsley, Kuh & Welsch 1980, who call 30 and
/// more harmful). Infinite where one column follows from the others.
pub fn condition<const K: usize>(rows: &[[f64; K]]) -> f64 {
    let length = |j: usize| rows.iter().map(|row| row[j] * row[j]).sum::<f64>().sqrt();
    let lengths: [f64; K] = std::array::from_fn(length);
    let product = |i: usize, j: usize| {
        rows.iter().map(|row| row[i] * row[j]).sum::<f64>() / (lengths[i] * lengths[j])
    };
    let mut gram: [[f64; K]; K] = std::array::from_fn(|i| std::array::from_fn(|j| product(i, j)));
    // Jacobi: turn away the entries beside the diagonal, one after the other.
    for _ in 0..30 {
        for p in 0..K {
            for q in p + 1..K {
                rotate(&mut gram, p, q);
            }
        }
    }
    let values = || (0..K).map(|i| gram[i][i]);
    let (high, low) = (values().fold(0.0, f64::max), values().fold(f64::INFINITY, f64::min));
    if low > 1e-14 * high { (high / low).sqrt() } else { f64::INFINITY }
}

/// One rotation of Jacobi's method for eigenvalues (Golub & Van Loan 1996, §8.4).
fn rotate<const K: usize>(m: &mut [[f64; K]; K], p: usize, q: usize) {
    if m[p][q] == 0.0 {
        return;
    }
    let tau = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    let s = t * c;
    for row in m.iter_mut() {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
    let (first, second) = (m[p], m[q]);
    m[p] = std::array::from_fn(|k| c * first[k] - s * second[k]);
    m[q] = std::array::from_fn(|k| s * first[k] + c * second[k]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(rows: &[[f64; 3]], truth: [f64; 3]) -> Option<[f64; 3]> {
        let values: Vec<f64> =
            rows.iter().map(|row| row.iter().zip(truth).map(|(x, c)| x * c).sum()).collect();
        non_negative(rows, &values, &vec![1.0; rows.len()])
    }

    #[test]
    fn what_made_the_values_is_found_again() {
        let rows = [[1.0, 300.0, 20.0], [1.0, 50.0, 200.0], [1.0, 150.0, 150.0], [1.0, 10.0, 30.0]];
        let found = equal(&rows, [2.0, 0.3, 0.5]).unwrap();
        for (found, truth) in found.iter().zip([2.0, 0.3, 0.5]) {
            assert!((found - truth).abs() < 1e-8, "{found:?}");
        }
        assert!(condition(&rows) < 30.0);
    }

    #[test]
    fn nothing_costs_less_than_nothing() {
        let rows = [[1.0, 300.0], [1.0, 100.0], [1.0, 200.0]];
        // A plain fit would have an intercept of −5.
        let [idle, demand] = non_negative(&rows, &[85.0, 25.0, 55.0], &[1.0; 3]).unwrap();
        assert_eq!(idle, 0.0);
        assert!((demand - (85.0 * 300.0 + 2500.0 + 11_000.0) / 140_000.0).abs() < 1e-9);
    }

    #[test]
    fn a_value_counts_as_much_as_its_weight() {
        let fit = |weights| non_negative(&[[1.0], [1.0]], &[1.0, 4.0], weights).unwrap();
        assert!((fit(&[1.0, 1.0])[0] - 2.5).abs() < 1e-12);
        assert!((fit(&[2.0, 1.0])[0] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn columns_that_follow_from_each_other_are_noticed() {
        let rows = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]];
        assert_eq!(condition(&rows), f64::INFINITY);
        let orthogonal = [[1.0, 0.0], [0.0, 5.0]];
        assert!((condition(&orthogonal) - 1.0).abs() < 1e-12);
        // cos 45° between the columns: √((1 + c) / (1 − c)).
        let slanted = condition(&[[1.0, 1.0], [0.0, 1.0]]);
        let cosine = 0.5_f64.sqrt();
        assert!((slanted - ((1.0 + cosine) / (1.0 - cosine)).sqrt()).abs() < 1e-9);
    }
}
