//! Numbers of the log: MMR index and idtimestamp. A leaf: touches nothing.

/// Length of an epoch of idtimestamps, in milliseconds: the time is `epoch × (2^40 − 1)` plus the top five of its eight
/// bytes (go-datatrails-merklelog, massifs/idtimestamp.go).
const EPOCH_MS: i64 = (1 << 40) - 1;

/// The 0-based MMR index of the 0-based leaf: before it stand as many leaves, and one interior node for each merge.
pub fn mmr_index(leaf: u64) -> u64 {
    2 * leaf - u64::from(leaf.count_ones())
}

/// A moment of commitment that is unique in the log: milliseconds since 1970, and a counter within that millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdTimestamp {
    /// Milliseconds since 1970.
    pub ms: i64,
    /// 24 bits.
    pub counter: u32,
}

impl IdTimestamp {
    /// The next one after `last`, at `now_ms` if the clock has gone forward; never at or before `last`.
    pub fn next(last: Option<IdTimestamp>, now_ms: i64) -> IdTimestamp {
        match last {
            Some(last) if now_ms <= last.ms && last.counter >= 0xff_ffff => IdTimestamp { ms: last.ms + 1, counter: 0 },
            Some(last) if now_ms <= last.ms => IdTimestamp { ms: last.ms, counter: last.counter + 1 },
            _ => IdTimestamp { ms: now_ms, counter: 0 },
        }
    }

    /// 18 hex digits: the epoch byte, five bytes of time, three bytes of counter.
    pub fn hex(self) -> String {
        let epoch = self.ms / EPOCH_MS;
        format!("{epoch:02x}{:010x}{:06x}", self.ms - epoch * EPOCH_MS, self.counter)
    }

    /// Reads [`IdTimestamp::hex`].
    pub fn parse(hex: &str) -> Option<IdTimestamp> {
        if hex.len() != 18 || !hex.is_ascii() {
            return None;
        }
        let epoch = i64::from_str_radix(&hex[..2], 16).ok()?;
        let ms = i64::from_str_radix(&hex[2..12], 16).ok()?;
        Some(IdTimestamp { ms: epoch * EPOCH_MS + ms, counter: u32::from_str_radix(&hex[12..], 16).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_idtimestamp_tells_the_time_of_its_commitment() {
        let read = IdTimestamp::parse("018e3f48610b089800").expect("18 hex digits");
        assert_eq!(
            jiff::Timestamp::from_millisecond(read.ms).expect("in range").to_string(),
            "2024-03-14T23:24:51.85Z"
        );
        assert_eq!(read.hex(), "018e3f48610b089800");
    }

    #[test]
    fn idtimestamps_increase_also_when_the_clock_goes_back() {
        let mut last = None;
        let mut texts = Vec::new();
        for now in [1_800_000_000_000, 1_800_000_000_000, 1_799_999_999_000, 1_800_000_000_001, 5] {
            let next = IdTimestamp::next(last, now);
            assert!(last.is_none_or(|last| last < next));
            texts.push(next.hex());
            last = Some(next);
        }
        assert!(texts.is_sorted() && texts.iter().all(|text| text.len() == 18));
        let full = IdTimestamp { ms: 7, counter: 0xff_ffff };
        assert_eq!(IdTimestamp::next(Some(full), 7), IdTimestamp { ms: 8, counter: 0 });
    }

    #[test]
    fn mmr_indices_leave_room_for_the_interior_nodes() {
        let indices: Vec<u64> = (0..11).map(mmr_index).collect();
        assert_eq!(indices, [0, 1, 3, 4, 7, 8, 10, 11, 15, 16, 18]);
    }
}
