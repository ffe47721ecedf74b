//! What becomes of congestion marks when a packet leaves a tunnel (RFC 6040, section 4.2, figure 4).

/// The two low bits of a traffic class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecn(u8);

impl Ecn {
    /// The sender doesn't know of ECN.
    pub const NOT_ECT: Self = Self(0b00);
    /// ECN-capable transport, code point 1.
    pub const ECT_1: Self = Self(0b01);
    /// ECN-capable transport, code point 0.
    pub const ECT_0: Self = Self(0b10);
    /// Congestion experienced.
    pub const CE: Self = Self(0b11);
    const MASK: u8 = 0b11;

    /// The mark of a traffic class.
    #[inline(always)]
    pub const fn of(traffic_class: u8) -> Self {
        Self(traffic_class & Self::MASK)
    }

    /// `traffic_class` with this mark.
    #[inline(always)]
    pub const fn mark(self, traffic_class: u8) -> u8 {
        traffic_class & !Self::MASK | self.0
    }
}

/// The mark of a packet that leaves the tunnel. `None`: it must be dropped, because routers marked it instead of dropping
/// it, and its sender wouldn't understand the mark.
#[inline(always)]
pub fn combine(inner: Ecn, outer: Ecn) -> Option<Ecn> {
    match (inner, outer) {
        (Ecn::NOT_ECT, Ecn::CE) => None,
        (Ecn::NOT_ECT, _) => Some(Ecn::NOT_ECT),
        (_, Ecn::CE) => Some(Ecn::CE),
        (Ecn::ECT_0, Ecn::ECT_1) => Some(Ecn::ECT_1),
        (inner, _) => Some(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_gives_what_the_rfc_says() {
        const TABLE: &[(Ecn, [Option<Ecn>; 4])] = &[
            // outer:       Not-ECT            ECT(0)             ECT(1)             CE
            (Ecn::NOT_ECT, [Some(Ecn::NOT_ECT), Some(Ecn::NOT_ECT), Some(Ecn::NOT_ECT), None]),
            (Ecn::ECT_0, [Some(Ecn::ECT_0), Some(Ecn::ECT_0), Some(Ecn::ECT_1), Some(Ecn::CE)]),
            (Ecn::ECT_1, [Some(Ecn::ECT_1), Some(Ecn::ECT_1), Some(Ecn::ECT_1), Some(Ecn::CE)]),
            (Ecn::CE, [Some(Ecn::CE), Some(Ecn::CE), Some(Ecn::CE), Some(Ecn::CE)]),
        ];
        for (inner, row) in TABLE {
            for (outer, expected) in [Ecn::NOT_ECT, Ecn::ECT_0, Ecn::ECT_1, Ecn::CE].into_iter().zip(row) {
                assert_eq!(combine(*inner, outer), *expected, "inner {inner:?}, outer {outer:?}");
            }
        }
    }

    #[test]
    fn a_mark_leaves_the_dscp_alone() {
        assert_eq!(Ecn::CE.mark(0b1011_1001), 0b1011_1011);
        assert_eq!(Ecn::of(0b1011_1001), Ecn::ECT_1);
    }
}
