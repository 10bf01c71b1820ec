//! A small deterministic generator (splitmix64): one seed, one schedule, on every machine.
//!
//! A fuzzer gives bytes instead of a seed. Each choice then takes the next few of them, so that a byte that is altered
//! alters one choice; where they end, the seed goes on.

#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    /// What a fuzzer chose, the next byte last.
    chosen: Vec<u8>,
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random {
            seed,
            chosen: Vec::new(),
        }
    }

    #[allow(dead_code)] // fuzzing alone has bytes
    pub fn from_bytes(bytes: &[u8]) -> Random {
        Random {
            seed: 0,
            chosen: bytes.iter().rev().copied().collect(),
        }
    }

    pub fn next(&mut self) -> u64 {
        if !self.chosen.is_empty() {
            return self.take(8);
        }
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn take(&mut self, bytes: usize) -> u64 {
        let taken = (0..bytes).map_while(|_| self.chosen.pop());
        taken.fold(0, |number, byte| number << 8 | u64::from(byte))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = match (self.chosen.is_empty(), bound) {
            (false, ..=0x100) => self.take(1),
            (false, ..=0x1_0000) => self.take(2),
            _ => self.next(),
        };
        (number % bound as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// One of the choices, each as likely as its weight says.
    pub fn weighted<T: Copy>(&mut self, choices: &[(usize, T)]) -> T {
        let mut ticket = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if ticket < *weight {
                return *choice;
            }
            ticket -= weight;
        }
        unreachable!("a ticket is below the sum of the weights")
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
