//go:build linux

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// load is what one series asks of a server.
type load struct {
	conns int
	time  time.Duration // how long to send for; 0: until count
	count int           // how many to send at most; 0: until time
	rate  int           // requests a second on a fixed schedule; 0: each connection sends when it has its answer
	next  func() []byte // the next request, whole; valid until the one after
	want  []byte        // what the body of a good answer begins with
	each  func(body []byte)
}

// series is what came of it.
type series struct {
	ok, failed int
	unsent     int // requests of the schedule that were given up
	elapsed    time.Duration
	latency    []int64       // nanoseconds, sorted; on a schedule from the instant a request was due
	generator  time.Duration // CPU this process took
	complaint  string        // the first answer that was not good
}

func (s series) rate() float64 { return float64(s.ok) / s.elapsed.Seconds() }

// quantile of the latencies, in milliseconds.
func (s series) quantile(q float64) float64 { return quantile(s.latency, q) }

func quantile(sorted []int64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]) / 1e6
}

// generator is one thread on an epoll of persistent connections: it writes
// prebuilt requests and reads of an answer no more than it must, so that what it
// takes from the machine is small and the same for every server it drives.
type generator struct {
	load
	epoll int
	all   []conn // by place; the place is what epoll hands back
	free  []int32
	out   series
	begun time.Time
	sent  int
}

type conn struct {
	fd   int
	due  time.Time // when the request in flight was due
	busy bool
	in   []byte
	n    int
}

// drive runs a load against addr and returns when every answer is in.
func drive(addr string, l load) (out series, err error) {
	g := &generator{load: l}
	defer g.close()
	if err := g.connect(addr); err != nil {
		return g.out, err
	}
	before := ownCPU()
	g.begun = time.Now()
	if err := g.run(); err != nil {
		return g.out, err
	}
	g.out.elapsed, g.out.generator = time.Since(g.begun), ownCPU()-before
	slices.SortFunc(g.out.latency, cmp.Compare[int64])
	return g.out, nil
}

func (g *generator) connect(addr string) (err error) {
	if g.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	to, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	sa := &syscall.SockaddrInet4{Port: to.Port}
	copy(sa.Addr[:], to.IP.To4())
	for i := range g.conns {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		g.all = append(g.all, conn{fd: fd, in: make([]byte, 64<<10)})
		g.free = append(g.free, int32(i))
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		err = errors.Join(syscall.Connect(fd, sa), syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
			syscall.SetNonblock(fd, true), syscall.EpollCtl(g.epoll, syscall.EPOLL_CTL_ADD, fd, &ev))
		if err != nil {
			return fmt.Errorf("connect to %s: %w", addr, err)
		}
	}
	return nil
}

func (g *generator) close() {
	for _, c := range g.all {
		_ = syscall.Close(c.fd)
	}
	_ = syscall.Close(g.epoll)
}

// run sends what is due and takes what has come until the load is over and
// nothing is in flight. An answer that does not come in time is an error.
func (g *generator) run() error {
	const patience = 30 * time.Second
	events := make([]syscall.EpollEvent, 256)
	for last := time.Now(); ; {
		wait, err := g.send(time.Now())
		if err != nil {
			return err
		}
		if wait < 0 && len(g.free) == g.conns {
			return nil
		}
		n, err := await(g.epoll, events, wait)
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		now := time.Now()
		for _, ev := range events[:n] {
			last = now
			if err := g.receive(int(ev.Fd), now); err != nil {
				return err
			}
		}
		if now.Sub(last) > patience && len(g.free) < g.conns {
			return fmt.Errorf("%d answers did not come within %s", g.conns-len(g.free), patience)
		}
	}
}

// send writes what is due on the connections that are free. It returns how long
// to wait for the next request's time: negative if there will be none.
func (g *generator) send(now time.Time) (wait time.Duration, err error) {
	for {
		due, over := g.due(now)
		switch {
		case over:
			return -1, nil
		case due.After(now) && len(g.free) > 0:
			return due.Sub(now), nil
		case len(g.free) == 0:
			return time.Second, nil
		}
		i := g.free[len(g.free)-1]
		g.free = g.free[:len(g.free)-1]
		c := &g.all[i]
		c.due, c.n, c.busy = due, 0, true
		g.sent++
		if err := writeAll(c.fd, g.next()); err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
	}
}

// due says when the next request is due, or that the load is over. A schedule
// that the server is behind by its whole length is given up.
func (g *generator) due(now time.Time) (due time.Time, over bool) {
	past := now.Sub(g.begun)
	if g.rate == 0 {
		return now, (g.count > 0 && g.sent >= g.count) || (g.time > 0 && past >= g.time)
	}
	offset := time.Duration(g.sent) * time.Second / time.Duration(g.rate)
	if past > 2*g.time {
		g.out.unsent = max(0, int(g.time.Seconds()*float64(g.rate))-g.sent)
		return now, true
	}
	return g.begun.Add(offset), offset >= g.time
}

// writeAll writes a request, which fits the socket's buffer unless the server
// has stopped reading.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := rawIO(syscall.SYS_WRITE, fd, b)
		if err == syscall.EAGAIN {
			time.Sleep(50 * time.Microsecond)
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

var errClosed = errors.New("the server closed the connection")

func (g *generator) receive(i int, now time.Time) error {
	c := &g.all[i]
	n, err := rawIO(syscall.SYS_READ, c.fd, c.in[c.n:])
	if err == syscall.EAGAIN {
		return nil
	}
	if err != nil || n == 0 || !c.busy {
		return errors.Join(errClosed, err)
	}
	c.n += n
	status, body, whole := parse(c.in[:c.n])
	if !whole {
		if c.n == len(c.in) {
			return errors.New("an answer is too large")
		}
		return nil
	}
	c.busy = false
	g.free = append(g.free, int32(i))
	if status == 200 && bytes.HasPrefix(body, g.want) {
		g.out.ok++
		g.out.latency = append(g.out.latency, int64(now.Sub(c.due)))
		if g.each != nil {
			g.each(body)
		}
		return nil
	}
	if g.out.failed++; g.out.complaint == "" {
		g.out.complaint = fmt.Sprintf("%d %s", status, body[:min(len(body), 300)])
	}
	return nil
}

var (
	headEnd     = []byte("\r\n\r\n")
	lengthField = []byte("Content-Length: ")
	chunkEnd    = []byte("0\r\n\r\n")
)

// parse reads an HTTP/1.1 answer of a Go server: status and body, if it is whole.
func parse(in []byte) (status int, body []byte, whole bool) {
	end := bytes.Index(in, headEnd)
	if end < 12 {
		return 0, nil, false
	}
	head, rest := in[:end], in[end+len(headEnd):]
	status, _ = strconv.Atoi(string(head[9:12]))
	at := bytes.Index(head, lengthField)
	if at < 0 { // chunked
		first := bytes.IndexByte(rest, '\n')
		if first < 0 || !bytes.HasSuffix(rest, chunkEnd) {
			return status, nil, false
		}
		return status, rest[first+1:], true
	}
	length := 0
	for _, d := range head[at+len(lengthField):] {
		if d < '0' || d > '9' {
			break
		}
		length = length*10 + int(d-'0')
	}
	return status, rest, len(rest) >= length
}
