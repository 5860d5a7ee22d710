//! An open network of servers that classes of requests pass through. Whatever stands between them,
//! the utilisation law holds: a server is busy for as long as its requests take, U = X D (Denning &
//! Buzen 1978, "The Operational Analysis of Queueing Network Models"). So the one with the highest
//! demand per CPU that it has is busy first, and ends how much passes.

use super::queues;

/// A server as requests of a mix see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Station {
    /// What a request takes here on average, CPU-seconds.
    pub demand: f64,
    /// CPU-seconds a second that it has.
    pub capacity: f64,
}

impl Station {
    /// The share of its CPU that is used at this rate.
    pub fn utilisation(self, rate: f64) -> f64 {
        rate * self.demand / self.capacity
    }

    /// Requests a second at which it is busy all the time.
    pub fn limit(self) -> f64 {
        self.capacity / self.demand
    }
}

/// The mean demand of a mix: each class's, by its share of the requests.
pub fn mixed(demands: &[f64], shares: &[f64]) -> f64 {
    let total: f64 = shares.iter().sum();
    demands.iter().zip(shares).map(|(demand, share)| demand * share).sum::<f64>() / total
}

/// Which station is busy first as the rate grows; `None` without stations.
pub fn bottleneck(stations: &[Station]) -> Option<usize> {
    let limits = stations.iter().map(|station| station.limit()).enumerate();
    limits.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
}

/// The knee: the rate at which the first station is busy all the time, min C / D (the asymptotic bound
/// of Denning & Buzen 1978). Infinite without stations.
pub fn knee(stations: &[Station]) -> f64 {
    stations.iter().map(|station| station.limit()).fold(f64::INFINITY, f64::min)
}

/// Mean time of a request in a network of processor-sharing stations, each as fast as its capacity:
/// the sum of [`queues::mg1_ps`], since each station of such a network behaves as if it stood alone
/// (Baskett, Chandy, Muntz & Palacios 1975). `None` at and beyond the knee.
pub fn mean_time(stations: &[Station], rate: f64) -> Option<f64> {
    stations.iter().map(|it| queues::mg1_ps(rate, it.demand / it.capacity)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: Station = Station { demand: 0.001, capacity: 0.25 };
    const BACK: Station = Station { demand: 0.002, capacity: 0.25 };

    #[test]
    fn the_station_with_the_highest_demand_per_cpu_ends_it() {
        assert_eq!(knee(&[FRONT, BACK]), 125.0);
        assert_eq!(bottleneck(&[FRONT, BACK]), Some(1));
        let more = Station { capacity: 1.0, ..BACK };
        assert_eq!((knee(&[FRONT, more]), bottleneck(&[FRONT, more])), (250.0, Some(0)));
        assert!((BACK.utilisation(100.0) - 0.8).abs() < 1e-12);
        assert_eq!(bottleneck(&[]), None);
    }

    #[test]
    fn times_add_up_and_end_at_the_knee() {
        // 4 ms at 40 % and 8 ms at 80 %.
        let time = mean_time(&[FRONT, BACK], 100.0).unwrap();
        assert!((time - (0.004 / 0.6 + 0.008 / 0.2)).abs() < 1e-12);
        assert_eq!(mean_time(&[FRONT, BACK], 125.0), None);
    }

    #[test]
    fn a_mix_costs_what_its_parts_cost() {
        assert!((mixed(&[1.0, 3.0], &[3.0, 1.0]) - 1.5).abs() < 1e-12);
    }
}
