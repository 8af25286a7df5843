//! Push ids: 20 characters that sort by time.

use std::sync::Mutex;

const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// Makes ids that only ever grow.
#[derive(Default)]
pub struct PushIds {
    /// Milliseconds of the last id, and its random part as twelve indices of the alphabet.
    last: Mutex<(u64, [u8; 12])>,
}

impl PushIds {
    pub fn next(&self, now_ms: u64) -> String {
        let mut last = self.last.lock().expect("no holder panics");
        if now_ms > last.0 {
            *last = (now_ms, std::array::from_fn(|_| rand::random::<u8>() & 63));
        } else {
            for digit in last.1.iter_mut().rev() {
                *digit = (*digit + 1) & 63;
                if *digit != 0 {
                    break;
                }
            }
        }
        let time = (0..8).rev().map(|i| (last.0 >> (6 * i)) as usize & 63);
        time.chain(last.1.iter().map(|it| usize::from(*it)))
            .map(|index| char::from(ALPHABET[index]))
            .collect()
    }
}

#[test]
fn the_first_eight_characters_are_the_time() {
    let id = PushIds::default().next(1_700_000_000_000);

    assert_eq!(&id[..8], "-NjEtLV-");
    assert_eq!(id.len(), 20);
}

#[test]
fn ids_of_one_millisecond_sort_in_the_order_they_were_made() {
    let ids = PushIds::default();

    let made: Vec<_> = (0..200).map(|_| ids.next(1_405_961_581_220)).collect();

    assert!(made.is_sorted());
}
