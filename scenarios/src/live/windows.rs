//! Who could rely on the lease when, and whether two ever could at the same time.

use std::collections::BTreeMap;

use super::clock::Moment;

/// One lease of one worker: from the return of acquire to the earlier of the call to release and the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) worker: usize,
    pub(crate) token: u64,
    pub(crate) from: Moment,
    pub(crate) until: Moment,
}

impl Window {
    /// A lease that was over before its holder could look at the clock protects nothing and overlaps nothing.
    fn is_empty(&self) -> bool {
        self.until <= self.from
    }
}

/// All windows of the resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Windows {
    /// The present lease of each worker: its end may still move.
    open: BTreeMap<usize, Window>,
    closed: Vec<Window>,
    /// What the windows show that were settled, and are not kept.
    settled: Sweep,
}

/// What is wrong with a history of windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Pairs in which the later one began before the earlier one was over.
    pub(crate) overlaps: Vec<(Window, Window)>,
    /// Pairs in which the later one does not have the larger token.
    pub(crate) disorder: Vec<(Window, Window)>,
}

impl Windows {
    /// A worker acquired a lease that ends at `deadline` unless it is renewed or released.
    pub(crate) fn begin(&mut self, window: Window) {
        self.closed.extend(self.open.insert(window.worker, window));
    }

    /// The worker's lease was renewed. Deadlines never move back.
    pub(crate) fn renew(&mut self, worker: usize, deadline: Moment) {
        if let Some(window) = self.open.get_mut(&worker) {
            window.until = window.until.max(deadline);
        }
    }

    /// The worker let go at `at`, or its lease had ended before.
    pub(crate) fn end(&mut self, worker: usize, at: Moment) {
        if let Some(mut window) = self.open.remove(&worker) {
            window.until = window.until.min(at);
            self.closed.push(window);
        }
    }

    /// The window that is open now and ends last.
    pub(crate) fn holder(&self, now: Moment) -> Option<Window> {
        let current = self.open.values().filter(|window| window.until > now);
        current.max_by_key(|window| window.token).copied()
    }

    /// The worker's lease, over or not, until it is released or replaced.
    pub(crate) fn of(&self, worker: usize) -> Option<Window> {
        self.open.get(&worker).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len() + self.closed.len() + self.settled.count
    }

    /// Judges the windows that began before `horizon`, and forgets them. Nothing must be reported of that time any more:
    /// neither a lease that began nor, for one that ended by then, a renewal.
    pub(crate) fn settle(&mut self, horizon: Moment) {
        let open = std::mem::take(&mut self.open).into_iter();
        let (over, open) =
            open.partition::<BTreeMap<_, _>, _>(|(_, window)| window.until < horizon);
        self.closed.extend(over.into_values());
        self.open = open;
        // Nothing that began after a window which is still open can be judged.
        let oldest = self.open.values().map(|window| window.from).min();
        let horizon = oldest.map_or(horizon, |oldest| oldest.min(horizon));
        let settled = self
            .closed
            .extract_if(.., |window| window.from < horizon)
            .collect();
        self.settled.go_over(settled);
    }

    /// Looks at all windows, open ones as if they lasted until their deadline.
    pub(crate) fn judge(&self) -> Faults {
        let mut sweep = self.settled.clone();
        sweep.go_over(self.open.values().chain(&self.closed).copied().collect());
        sweep.faults
    }
}

/// Goes over windows in the order in which they began.
#[derive(Clone, Debug, Default)]
struct Sweep {
    count: usize,
    faults: Faults,
    /// The window so far that ends last, and the one with the largest token: comparing with neighbours alone would miss a
    /// short window inside of a long one.
    longest: Option<Window>,
    newest: Option<Window>,
}

impl Sweep {
    /// The windows that come next, in any order among themselves.
    fn go_over(&mut self, mut windows: Vec<Window>) {
        self.count += windows.len();
        windows.retain(|window| !window.is_empty());
        windows.sort_unstable_by_key(|window| (window.from, window.until, window.token));
        for window in windows {
            if let Some(earlier) = self.longest.filter(|earlier| window.from < earlier.until) {
                self.faults.overlaps.push((earlier, window));
            }
            if let Some(earlier) = self.newest.filter(|earlier| window.token <= earlier.token) {
                self.faults.disorder.push((earlier, window));
            }
            self.longest = self
                .longest
                .filter(|known| known.until > window.until)
                .or(Some(window));
            self.newest = self
                .newest
                .filter(|known| known.token > window.token)
                .or(Some(window));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(worker: usize, token: u64, from: u64, until: u64) -> Window {
        Window {
            worker,
            token,
            from: Moment::from_nanos(from),
            until: Moment::from_nanos(until),
        }
    }

    fn judged(windows: &[Window]) -> (usize, usize) {
        let mut all = Windows::default();
        for window in windows {
            all.begin(*window);
        }
        let faults = all.judge();
        (faults.overlaps.len(), faults.disorder.len())
    }

    #[test]
    fn windows_one_after_the_other_are_fine_in_any_order_of_reports() {
        let history = [
            window(1, 3, 20, 30),
            window(0, 1, 0, 10),
            window(2, 2, 10, 20),
        ];
        assert_eq!(judged(&history), (0, 0));
    }

    #[test]
    fn a_planted_overlap_is_found() {
        let history = [window(0, 1, 0, 11), window(1, 2, 10, 20)];
        assert_eq!(judged(&history), (1, 0));
    }

    #[test]
    fn short_windows_inside_a_long_one_are_all_found() {
        let history = [
            window(0, 1, 0, 100),
            window(1, 2, 10, 20),
            window(2, 3, 50, 60),
        ];
        assert_eq!(judged(&history), (2, 0));
    }

    #[test]
    fn tokens_that_do_not_grow_are_found() {
        assert_eq!(judged(&[window(0, 2, 0, 10), window(1, 1, 10, 20)]), (0, 1));
        assert_eq!(judged(&[window(0, 2, 0, 10), window(1, 2, 10, 20)]), (0, 1));
        // Not only against the neighbour.
        let history = [
            window(0, 9, 0, 10),
            window(1, 3, 10, 20),
            window(2, 4, 20, 30),
        ];
        assert_eq!(judged(&history), (0, 2));
    }

    #[test]
    fn release_ends_a_window_early_and_never_prolongs_it() {
        let mut windows = Windows::default();
        windows.begin(window(0, 1, 0, 100));
        windows.end(0, Moment::from_nanos(40));
        windows.begin(window(1, 2, 40, 140));
        // A paused holder comes back after its deadline.
        windows.end(1, Moment::from_nanos(500));
        windows.begin(window(0, 3, 140, 240));
        assert_eq!(windows.judge(), Faults::default());
        assert_eq!(windows.len(), 3);
    }

    #[test]
    fn a_renewal_counts() {
        let mut windows = Windows::default();
        windows.begin(window(0, 1, 0, 100));
        windows.renew(0, Moment::from_nanos(150));
        windows.renew(0, Moment::from_nanos(120));
        windows.begin(window(1, 2, 149, 200));
        assert_eq!(windows.judge().overlaps.len(), 1);
    }

    #[test]
    fn an_empty_window_overlaps_nothing() {
        let history = [
            window(0, 1, 0, 100),
            window(1, 2, 50, 50),
            window(2, 3, 100, 200),
        ];
        assert_eq!(judged(&history), (0, 0));
    }

    #[test]
    fn settling_in_between_changes_no_verdict() {
        let history = [
            window(0, 9, 0, 10),
            window(1, 10, 9, 20),
            window(2, 4, 20, 30),
            window(3, 11, 35, 90),
            window(4, 12, 40, 50),
            window(5, 13, 85, 95),
        ];
        let at_once = judged(&history);
        assert_eq!(at_once, (3, 1));
        for horizon in [0, 5, 21, 36, 45, 100] {
            let mut windows = Windows::default();
            for window in &history[..3] {
                windows.begin(*window);
                windows.end(window.worker, window.until);
            }
            windows.begin(history[3]);
            windows.settle(Moment::from_nanos(horizon.min(36)));
            for window in &history[4..] {
                windows.begin(*window);
            }
            windows.settle(Moment::from_nanos(horizon));
            let faults = windows.judge();
            assert_eq!((faults.overlaps.len(), faults.disorder.len()), at_once);
            assert_eq!(windows.len(), history.len());
        }
    }

    #[test]
    fn a_window_that_is_still_open_holds_up_settling() {
        let mut windows = Windows::default();
        windows.begin(window(0, 1, 0, 100));
        windows.begin(window(1, 2, 60, 70));
        windows.settle(Moment::from_nanos(90));
        windows.renew(0, Moment::from_nanos(120));
        windows.begin(window(2, 3, 110, 130));
        windows.settle(Moment::from_nanos(200));
        assert_eq!(windows.judge().overlaps.len(), 2);
    }
}
