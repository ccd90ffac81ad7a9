package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const sysEpollPwait2 = 441 // the same on every architecture

// await waits for events, to the nanosecond where the kernel can.
func await(epoll int, events []syscall.EpollEvent, wait time.Duration) (int, error) {
	if wait < 0 || wait > time.Second {
		wait = time.Second
	}
	ts := syscall.NsecToTimespec(int64(wait))
	n, _, errno := syscall.Syscall6(sysEpollPwait2, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	runtime.KeepAlive(events)
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EINTR:
		return 0, nil
	default:
		return 0, errno
	}
}

// rawIO reads or writes on a descriptor that does not block: the scheduler need
// not know, which is cheaper.
func rawIO(trap uintptr, fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, _, errno := syscall.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ownCPU is the CPU this process has taken.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
