//! How a dialling endpoint reaches a serving one: directly, or through gateways.

use std::fmt;

use crate::{addr::ChannelAddr, incarnation::Incarnation};

/// Through how many gateways a path may go.
pub const MAX_GATEWAYS: usize = 8;

/// How to reach the endpoint that serves at an address: one path, or several that are tried in turn.
///
/// A link keeps to one path until that is lost, and goes on over the next one then: the same session, so that
/// nothing is delivered twice and what was not acknowledged is sent again. After the last path comes the first.
///
/// A borrowed address is the direct path to it. In a path through gateways, each address is as the hop before it
/// dials it: a `unix:` address behind a gateway is one of the gateway's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    addr: ChannelAddr,
    paths: Vec<Path>,
    incarnation: Option<Incarnation>,
}

impl Route {
    /// Returns the route to `addr` without a gateway.
    pub fn direct(addr: ChannelAddr) -> Self {
        let paths = vec![Path::new(Vec::new(), &addr)];
        Self {
            addr,
            paths,
            incarnation: None,
        }
    }

    /// Returns the route to `addr` through `gateways`, of which the first is the one to connect to. Each has to be
    /// an endpoint with [`gateway`](crate::EndpointOptions::gateway).
    pub fn via(gateways: impl IntoIterator<Item = ChannelAddr>, addr: ChannelAddr) -> Self {
        let paths = vec![Path::new(gateways.into_iter().collect(), &addr)];
        Self {
            addr,
            paths,
            incarnation: None,
        }
    }

    /// Returns the route to one life of the endpoint at its end, and to no other. When another one answers there, the
    /// link ends as [`PeerRestarted`](crate::CloseReason::PeerRestarted): what the life before may have is unknown, and
    /// the rest has failed. Otherwise a link goes on with whoever serves at the address.
    pub fn only(mut self, incarnation: Incarnation) -> Self {
        self.incarnation = Some(incarnation);
        self
    }

    /// Returns the route with one more path: without a gateway.
    pub fn or_direct(self) -> Self {
        self.or_via([])
    }

    /// Returns the route with one more path: through `gateways`.
    pub fn or_via(mut self, gateways: impl IntoIterator<Item = ChannelAddr>) -> Self {
        let path = Path::new(gateways.into_iter().collect(), &self.addr);
        self.paths.push(path);
        self
    }

    /// Returns where the route leads.
    pub fn addr(&self) -> &ChannelAddr {
        &self.addr
    }

    /// Returns the paths in the order in which they are tried.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Returns the only life of the endpoint that it leads to, if there is one.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }

    /// Returns whether the session may come to its serving end over different connections of others.
    pub(crate) fn roams(&self) -> bool {
        self.paths.len() > 1 || self.paths.iter().any(|path| !path.is_direct())
    }
}

impl From<&ChannelAddr> for Route {
    fn from(addr: &ChannelAddr) -> Self {
        Self::direct(addr.clone())
    }
}

/// One way to an address: the addresses that are dialled one after the other. Its text joins them with `>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The address to connect to.
    first: ChannelAddr,
    /// What the gateways are asked for, one after the other.
    rest: Vec<ChannelAddr>,
}

impl Path {
    fn new(gateways: Vec<ChannelAddr>, addr: &ChannelAddr) -> Self {
        let mut hops = gateways.into_iter().chain([addr.clone()]);
        let first = hops.next().expect("the address itself is there");
        let rest = hops.collect();
        Self { first, rest }
    }

    /// Returns the address to connect to.
    pub fn first(&self) -> &ChannelAddr {
        &self.first
    }

    /// Returns the addresses behind it; none if the path goes through no gateway.
    pub fn rest(&self) -> &[ChannelAddr] {
        &self.rest
    }

    /// Returns whether the path goes through no gateway.
    pub fn is_direct(&self) -> bool {
        self.rest.is_empty()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.rest.iter().try_for_each(|hop| write!(f, ">{hop}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_apart_hop_by_hop() {
        let addr = |text: &str| text.parse::<ChannelAddr>().unwrap();
        let (gateway, to) = (addr("tcp:g:1"), addr("unix:@s"));
        let route = Route::via([gateway.clone(), addr("tcp:h:2")], to.clone())
            .or_via([gateway])
            .or_direct();
        let texts: Vec<_> = route.paths().iter().map(Path::to_string).collect();
        let expected = ["tcp:g:1>tcp:h:2>unix:@s", "tcp:g:1>unix:@s", "unix:@s"];
        assert_eq!(texts, expected);
        assert_eq!(route.addr(), &to);
        assert!(route.roams());
        assert!(!Route::from(&to).roams());
    }
}
