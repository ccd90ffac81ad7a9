package limits

import "net/netip"

// Source is where requests come from: an IPv4 address, or the /64 of an IPv6
// address, which is what one subscriber gets. What is no address is one source.
type Source [16]byte

// SourceOf reads the address of a caller.
func SourceOf(ip string) Source {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return Source{}
	}
	s := Source(addr.As16())
	if addr = addr.Unmap(); addr.Is6() {
		clear(s[8:])
	}
	return s
}

// String is the source as a network.
func (s Source) String() string {
	addr := netip.AddrFrom16(s).Unmap()
	switch {
	case s == Source{}:
		return ""
	case addr.Is4():
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).String()
}
