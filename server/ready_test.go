package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// What is wrong with facts in memory is told, and turns no request away: it is noticed
// before a decision leaves.
func TestFactsOnlyWarn(t *testing.T) {
	for _, c := range []struct {
		age, deaf time.Duration
		status    string
	}{
		{0, 0, statusOK}, {5 * time.Second, 10 * time.Second, statusOK},
		{6 * time.Second, 0, statusWarn}, {0, 11 * time.Second, statusWarn}, {time.Hour, time.Hour, statusWarn},
	} {
		got := checkFacts(models.Health{Behind: 3}, c.age, c.deaf)
		require.Equal(t, c.status, got.Status, "%v %v", c.age, c.deaf)
		require.Equal(t, c.status == statusWarn, got.Detail != "")
		require.Equal(t, int64(3), got.Behind)
	}
}
