//! One input, cut up: into the parts that a target wants, or as a network might.

/// The lines of an input, so that seeds can be written and read by people; absent ones are empty.
pub(crate) fn lines<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = data.splitn(N, |byte| *byte == b'\n');
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// Whether this could stand in a field value.
pub(crate) fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
}

/// Where an input is cut, in several ways: nowhere, after every byte, and in places that only depend on the input, so that what fails once
/// always fails. Each way ends with the input's length.
pub(crate) fn cuts(data: &[u8]) -> Vec<Vec<usize>> {
    let mut random = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mut ways = vec![vec![data.len()], (1..=data.len()).collect()];
    for longest in [3, 20, 200] {
        let mut ends = Vec::new();
        let mut end = 0;
        while end < data.len() {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            end = data.len().min(end + 1 + (random % longest) as usize);
            ends.push(end);
        }
        ways.push(ends);
    }
    ways
}
