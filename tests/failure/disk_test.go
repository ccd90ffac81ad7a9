//go:build linux

package failure

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The disk fills under load. Clients are told to try again and get no token;
// once there is room everything works again, and the ledger holds.
func TestFullDisk(t *testing.T) {
	t.Run("file size limit", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, newDeputy(t, t.TempDir(), ""))
		w.fillUp(func() func() {
			w.limitFiles(w.largestFile() + 256<<10)
			return func() { w.limitFiles(-1) }
		})
	})
	t.Run("small disk", func(t *testing.T) {
		t.Parallel()
		disk := t.TempDir()
		err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m")
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Logf("nobody may mount a small disk here (%v); the file size limit shows the same", err)
			return
		}
		must(t, err)
		t.Cleanup(func() { must(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
		w := newWorld(t, newDeputy(t, filepath.Join(disk, "data"), ""))
		w.fillUp(func() func() {
			ballast := filepath.Join(disk, "ballast")
			fill(t, ballast)
			return func() { must(t, os.Remove(ballast)) }
		})
	})
}

// fillUp drives the server while full leaves it no room, and after what full
// returned has made room again.
func (w *world) fillUp(full func() (free func())) {
	w.Start()
	l := w.drive(8, w.mixed(w.token()))
	for range rounds(1) {
		l.AwaitMore("tokens", 50, (*answer).Granted)
		free := full()
		l.AwaitMore("503s of a full disk", 100, (*answer).Unavailable)
		granted := l.Count((*answer).Granted)
		l.AwaitMore("more of them", 100, (*answer).Unavailable)
		w.t.Logf("while the disk was full: temporarily_unavailable 100 / granted %d", l.Count((*answer).Granted)-granted)
		free()
		recovered := l.AwaitMore("tokens after there is room", 50, (*answer).Granted)
		w.t.Logf("tokens again %v after there was room", recovered.Round(time.Millisecond))
	}
	s := summed(w.t, l.Stop())
	w.t.Logf("granted %d, temporarily_unavailable %d, without an answer %d, anything else 0", s.Granted, s.Unavailable, s.Unanswered)
	if s.Unanswered != 0 {
		w.t.Errorf("%d without an answer", s.Unanswered)
	}
	w.AllRecorded(s.Received)
	w.Verified()
}

// limitFiles makes writes of the server beyond so many bytes of a file fail;
// below 0 lifts the limit.
func (w *world) limitFiles(size int64) {
	w.t.Helper()
	soft := "unlimited"
	if size >= 0 {
		soft = fmt.Sprint(size)
	}
	out, err := exec.Command("prlimit", fmt.Sprintf("--pid=%d", w.PID()), "--fsize="+soft+":").CombinedOutput()
	if err != nil {
		w.t.Fatalf("prlimit: %v: %s", err, out)
	}
}

func (w *world) largestFile() int64 {
	w.t.Helper()
	files, err := os.ReadDir(w.Dir)
	must(w.t, err)
	var largest int64
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			largest = max(largest, info.Size())
		}
	}
	return largest
}

// fill writes a file until the disk takes no more.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	must(t, err)
	defer file.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := file.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else {
			must(t, err)
		}
	}
}
