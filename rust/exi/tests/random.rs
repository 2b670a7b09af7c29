//! Random octets into every decoder: documents and fragments of every schema set. `ISO15118_FUZZ_ROUNDS` of each.
//!
//! One test in a file of its own, since the memory is counted for the whole process.
#[path = "corpus/mod.rs"]
mod corpus;
#[path = "../../fuzz/src/memory.rs"]
mod memory;
#[allow(dead_code)] // tables are not for here
#[path = "../../fuzz/src/properties.rs"]
mod properties;
#[path = "../../fuzz/src/reached.rs"]
mod reached;

use std::time::Instant;

use properties::Verdict;

/// xorshift64*, so that failures repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn octets(&mut self, out: &mut Vec<u8>, count: usize) {
        out.extend((0..count).map(|_| self.below(256) as u8));
    }
}

/// Octets of no kind; behind a good header; behind the beginning of a message; in the middle of a message.
fn input(random: &mut Random, known: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    let message = &known[random.below(known.len())];
    let at = random.below(message.len() + 1);
    match random.below(4) {
        0 => {}
        1 => data.push(0x80),
        2 => data.extend(&message[..at]),
        _ => {
            data.extend(message);
            for _ in 0..=random.below(4) {
                let at = random.below(message.len());
                data[at] = random.below(256) as u8;
            }
            return data;
        }
    }
    let count = random.below(80);
    random.octets(&mut data, count);
    data
}

#[test]
fn random_octets_are_refused_or_a_message_in_every_decoder() {
    let rounds: usize =
        std::env::var("ISO15118_FUZZ_ROUNDS").map_or(2000, |count| count.parse().unwrap());
    let decoders = corpus::decoders();
    assert_eq!(decoders.len(), 22);
    for decoder in decoders {
        let (began, mut random) = (Instant::now(), Random(0x1234_5678_9abc_def1));
        let mut counts = [0usize; 3];
        let mut most = 0;
        for _ in 0..rounds {
            let data = input(&mut random, &decoder.inputs);
            let before = memory::of_reading(&decoder.grammar, decoder.fragment, &data);
            most = most.max(before);
            let verdict = properties::of_decoder(&decoder.grammar, decoder.fragment, &data);
            counts[match verdict {
                Verdict::Refused => 0,
                Verdict::Message => 1,
                Verdict::NotWritten => 2,
            }] += 1;
        }
        println!(
            "{:28}{rounds} inputs: {} refused, {} messages, {} not written for a length; {most} octets at most; {:.0} s",
            decoder.name,
            counts[0],
            counts[1],
            counts[2],
            began.elapsed().as_secs_f64(),
        );
        assert!(counts[0] > 0);
    }
}
