//! Which port a monitor gets: one function, so that every command decides alike.

use std::ops::RangeInclusive;

/// The ports that are looked through when none was named.
pub(crate) const RANGE: RangeInclusive<u16> = 8765..=8785;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Any free port, as the system gives it.
    Any,
    /// This one and no other.
    Exactly(u16),
    /// This one, or the first free one of the range where a stranger has it.
    Preferred(u16),
    /// The first free one of the range.
    FirstFree,
}

/// Who has a port, as far as the decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Has {
    Nobody,
    /// Our monitor, which answers.
    Ours,
    /// Our monitor, which does not.
    Hung,
    /// The dashboard port of a monitor of ours; `asked` if somebody named it.
    Dashboard {
        of: u16,
        asked: bool,
    },
    /// A script that may be ended.
    Script,
    Stranger,
}

/// What may be done to get a port.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Means {
    /// Monitors of ours that do not answer may be ended.
    pub(crate) force: bool,
    /// Scripts are left alone.
    pub(crate) no_reclaim: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Start; 0 lets the system choose.
    Start(u16),
    /// Start here, because the port that was meant is taken.
    StartBeside { port: u16, taken: u16 },
    /// It runs already.
    Reuse(u16),
    /// End our monitor that does not answer, then start.
    End(u16),
    /// End the script, then start.
    Reclaim(u16),
    /// Let the monitor on `of` close its dashboard port, then start.
    Yield { port: u16, of: u16 },
    /// Our monitor has it and does not answer.
    Hung(u16),
    /// It is somebody else's.
    Taken(u16),
    /// All of the range are taken.
    NoneFree,
}

/// Decides. `has` tells who has a port.
pub(crate) fn choose(asked: Asked, means: Means, has: impl Fn(u16) -> Has) -> Choice {
    let first_free = || RANGE.into_iter().find(|port| has(*port) == Has::Nobody);
    let port = match asked {
        Asked::Any => return Choice::Start(0),
        Asked::FirstFree => return first_free().map_or(Choice::NoneFree, Choice::Start),
        Asked::Exactly(port) | Asked::Preferred(port) => port,
    };
    let beside = |otherwise: Choice| match asked {
        Asked::Preferred(_) => {
            first_free().map_or(Choice::NoneFree, |free| Choice::StartBeside { port: free, taken: port })
        }
        _ => otherwise,
    };
    match has(port) {
        Has::Nobody => Choice::Start(port),
        Has::Ours => Choice::Reuse(port),
        Has::Hung if means.force => Choice::End(port),
        Has::Hung => Choice::Hung(port),
        Has::Dashboard { of, asked: false } => match asked {
            Asked::Exactly(_) => Choice::Yield { port, of },
            _ => beside(Choice::Taken(port)),
        },
        Has::Script if !means.no_reclaim => Choice::Reclaim(port),
        Has::Dashboard { .. } | Has::Script | Has::Stranger => beside(Choice::Taken(port)),
    }
}

/// The dashboard port where none was named: the default, else the next free one of the range. None free means none.
pub(crate) fn dashboard(default: u16, server: u16, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let next = RANGE.filter(|port| *port > default).chain(RANGE);
    std::iter::once(default).chain(next).find(|port| *port != server && is_free(*port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_the_port_policy() {
        use Asked::{Any, Exactly, FirstFree, Preferred};
        use Choice::{End, Hung, NoneFree, Reclaim, Reuse, Start, StartBeside, Taken, Yield};
        let (plain, force) = (Means::default(), Means { force: true, no_reclaim: false });
        let gentle = Means { force: false, no_reclaim: true };
        let dashboard = |asked| Has::Dashboard { of: 8765, asked };
        let beside = |port, taken| StartBeside { port, taken };
        // What was asked, what may be done, who has which port, what is done.
        type Case<'a> = (Asked, Means, &'a [(u16, Has)], Choice);
        let cases: &[Case<'_>] = &[
            (Preferred(8765), plain, &[], Start(8765)),
            (Preferred(8765), plain, &[(8765, Has::Ours)], Reuse(8765)),
            (Preferred(8765), plain, &[(8765, Has::Stranger)], beside(8766, 8765)),
            (Preferred(8765), plain, &[(8765, Has::Stranger), (8766, Has::Stranger)], beside(8767, 8765)),
            // A running instance's dashboard port is not for the taking, nor is its own.
            (
                Preferred(8765),
                plain,
                &[(8765, Has::Stranger), (8766, dashboard(false)), (8767, Has::Ours)],
                beside(8768, 8765),
            ),
            (Preferred(8765), plain, &[(8765, Has::Script)], Reclaim(8765)),
            (Preferred(8765), gentle, &[(8765, Has::Script)], beside(8766, 8765)),
            (Preferred(8765), plain, &[(8765, Has::Hung)], Hung(8765)),
            (Preferred(8765), force, &[(8765, Has::Hung)], End(8765)),
            // Force never ends a stranger.
            (Preferred(8765), force, &[(8765, Has::Stranger)], beside(8766, 8765)),
            (Exactly(9000), plain, &[], Start(9000)),
            (Exactly(9000), plain, &[(9000, Has::Ours)], Reuse(9000)),
            (Exactly(9000), plain, &[(9000, Has::Stranger)], Taken(9000)),
            (Exactly(9000), force, &[(9000, Has::Stranger)], Taken(9000)),
            (Exactly(9000), plain, &[(9000, Has::Script)], Reclaim(9000)),
            (Exactly(9000), gentle, &[(9000, Has::Script)], Taken(9000)),
            (Exactly(9000), gentle, &[(9000, Has::Hung)], Hung(9000)),
            (Exactly(9000), force, &[(9000, Has::Hung)], End(9000)),
            // A dashboard port that nobody named is given up for who names it.
            (Exactly(8766), plain, &[(8766, dashboard(false))], Yield { port: 8766, of: 8765 }),
            (Exactly(8766), force, &[(8766, dashboard(true))], Taken(8766)),
            (Any, plain, &[(8765, Has::Stranger)], Start(0)),
            (FirstFree, plain, &[(8765, Has::Ours), (8766, dashboard(false))], Start(8767)),
        ];
        for (asked, means, ports, choice) in cases {
            let has = |port| ports.iter().find(|(held, _)| *held == port).map_or(Has::Nobody, |(_, has)| *has);
            assert_eq!(choose(*asked, *means, has), *choice, "{asked:?} {means:?} {ports:?}");
        }
        assert_eq!(choose(Preferred(8765), force, |_| Has::Stranger), NoneFree);
        assert_eq!(choose(FirstFree, plain, |_| Has::Script), NoneFree);
    }

    #[test]
    fn the_dashboard_takes_the_next_free_port_of_the_range() {
        assert_eq!(dashboard(8766, 8765, |_| true), Some(8766));
        assert_eq!(dashboard(8766, 8766, |_| true), Some(8767));
        assert_eq!(dashboard(8766, 8765, |port| port > 8768), Some(8769));
        assert_eq!(dashboard(8766, 9000, |port| port == 8765), Some(8765));
        assert_eq!(dashboard(8766, 8765, |_| false), None);
    }
}
