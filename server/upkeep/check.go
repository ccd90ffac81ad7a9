package upkeep

import (
	"fmt"
	"os"
)

// Check refuses settings that nothing could be done with.
func (c Config) Check() error {
	if c.RotateEvery != 0 && c.RotateEvery < LeastRotation || c.RotateLedgerEvery != 0 && c.RotateLedgerEvery < LeastRotation {
		return fmt.Errorf("signing keys cannot be rotated more often than every %v: the one before is published for as long", LeastRotation)
	}
	if c.ArchiveDir == "" {
		return nil
	}
	if c.ArchiveAfter < LeastAge {
		return fmt.Errorf("what is archived must be %v old at least: of what is younger, tokens may live", LeastAge)
	}
	info, err := os.Stat(c.ArchiveDir)
	if err != nil {
		return fmt.Errorf("folder of archives: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("folder of archives: %s is none", c.ArchiveDir)
	}
	probe, err := os.CreateTemp(c.ArchiveDir, partial)
	if err != nil {
		return fmt.Errorf("folder of archives: %w", err)
	}
	if err := probe.Close(); err != nil {
		return fmt.Errorf("folder of archives: %w", err)
	}
	return os.Remove(probe.Name())
}
