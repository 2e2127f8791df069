/// A number in `N` lower-case hexadecimal digits. Several are written for each request; `{:032x}` takes ten times as
/// long, because it divides numbers of 128 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    /// Takes the lowest digits.
    pub(super) fn of(number: u128) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = number.to_be_bytes();
        let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let mut digits = [b'0'; N];
        for (digit, nibble) in digits.iter_mut().rev().zip(nibbles.rev()) {
            *digit = DIGITS[usize::from(nibble)];
        }
        Self(digits)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_digits_are_written_zeros_included() {
        assert_eq!(Hex::<32>::of(0xa1).as_str(), format!("{:032x}", 0xa1));
        assert_eq!(
            Hex::<32>::of(u128::MAX - 5).as_str(),
            format!("{:x}", u128::MAX - 5)
        );
        assert_eq!(Hex::<16>::of(0x0123_4567_89ab_cdef).as_str(), "0123456789abcdef");
    }
}
