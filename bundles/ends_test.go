package bundles

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// endingSoon is a question that is allowed, about parties of which some end about
// when what the token may have at most does; a few ask for a lifetime, which is no
// everyday matter.
func endingSoon(t testing.TB, seed int) policies.Input {
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	p := usualParties([]string{policies.IssueTokenExchange, policies.IssueTokenExchange, policies.IssueClientCredentials}[r.IntN(3)])
	p.server.TokenTTL = []int64{20, 100, 300}[r.IntN(3)]
	p.client.MaxTTL = []int64{100, 600}[r.IntN(2)]
	if r.IntN(4) == 0 {
		p.in.Request.RequestedTTL = []int64{15, 100, 200}[r.IntN(3)]
	}
	most := min(p.server.TokenTTL, p.client.MaxTTL)
	end := func() int64 {
		if r.IntN(3) > 0 {
			return []int64{policies.Never, worldNow + 5000}[r.IntN(2)]
		}
		ahead := []int64{1, 2, 15, most - 1, most, most + 1, most + 8, 99, 100, 101, 200, 1 + r.Int64N(400)}
		return worldNow + ahead[r.IntN(len(ahead))]
	}
	for _, who := range append([]*policies.Principal{&p.client, &p.subject}, &p.actors[0], &p.actors[1]) {
		who.ExpiresAt, who.Owner.ExpiresAt = end(), end()
	}
	p.token.Expires, p.token.Grant.ExpiresAt = end(), end()
	return p.question(t)
}

// askedAgain puts a question to two engines, at the moment it is of and at others
// about which an answer could change, and tells how they differ: one of them
// evaluates, and the other must give the same answer whether it does or not. later
// counts the answers that were given again at a later moment.
func askedAgain(fresh, reusing *Engine, in policies.Input) (reused, later int, err error) {
	ctx := context.Background()
	first, err := reusing.Decide(ctx, in)
	if err != nil {
		return 0, 0, err
	}
	begin := in.Now
	r := rand.New(rand.NewPCG(uint64(begin), uint64(first.TTL)))
	holds := min(first.ValidUntil-begin, 1<<40)
	ahead := []int64{0, 1, 7, holds / 2, holds - 1, holds, holds + 1, r.Int64N(1 + max(0, holds)), r.Int64N(300), -1}
	if first.Ends != 0 {
		ahead = append(ahead, first.Ends-begin-1, first.Ends-begin)
	}
	for _, seconds := range ahead {
		in.Now = begin + seconds
		want, err := fresh.Decide(ctx, in)
		if err != nil {
			return reused, later, err
		}
		got, err := reusing.Decide(ctx, in)
		if err != nil {
			return reused, later, err
		}
		if got.Reused {
			reused++
			if in.Now > begin {
				later++
			}
		}
		if err := endsInTime(in, got); err != nil {
			return reused, later, err
		}
		got.Reused, got.Revision = false, want.Revision
		if !reflect.DeepEqual(want, got) {
			return reused, later, fmt.Errorf("asked at %d and again at %d: %+v, not %+v", begin, in.Now, got, want)
		}
	}
	return reused, later, nil
}

// endsInTime: a token ends no later than its parent, and when its answer says.
func endsInTime(in policies.Input, d policies.Decision) error {
	end := in.Now + d.TTL
	switch {
	case !d.Allow:
		return nil
	case d.Ends != 0 && end != d.Ends:
		return fmt.Errorf("%d seconds from %d are not until %d", d.TTL, in.Now, d.Ends)
	case policies.Kind(in.Action) == policies.KindIssue && d.TTL < 1:
		return fmt.Errorf("%d seconds", d.TTL)
	case in.Parent != nil && end > in.Parent.Expires:
		return fmt.Errorf("ends at %d, its parent at %d", end, in.Parent.Expires)
	}
	return nil
}

// Within the time that policy says its answer holds for, it would give the same
// one again; so giving it without asking is exact.
func TestAnswersHoldAsLongAsTheySay(t *testing.T) {
	for name, house := range map[string]string{
		"silent":            "",
		"narrows":           "max_ttl := 100\n\nremove contains \"none\" if input.client.labels.team",
		"narrows in part":   "max_ttl := 99.5",
		"narrows some":      `max_ttl := 14.5 if input.credential.id != ""`,
		"timely":            `deny contains "late" if input.now % 2 == 1`,
		"timely and narrow": "max_ttl := 60 if input.now % 3 == 0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fresh := asEver(t, house)
			reusing, err := New(Options{House: rules(house)})
			require.NoError(t, err)
			reused, later := 0, 0
			for seed := range 160 {
				in := endingSoon(t, seed)
				switch seed % 4 {
				case 0:
					in = otherWorlds().Example(seed)
				case 1:
					in = issueWorlds().Example(seed)
				}
				again, after, err := askedAgain(fresh, reusing, in)
				require.NoError(t, err, "seed %d", seed)
				reused, later = reused+again, later+after
			}
			t.Logf("%d answers given again, %d of them later", reused, later)
			require.Greater(t, reused, 100)
			if strings.HasPrefix(name, "timely") {
				require.Zero(t, later, "a house that looks at the clock keeps answers from lasting")
			} else {
				require.Greater(t, later, 50)
			}
		})
	}
}

// asEver evaluates every question with the shipped floor and composition.
func asEver(t testing.TB, house string) *Engine {
	t.Helper()
	e, err := New(Options{House: rules(house), NoReuse: true})
	require.NoError(t, err)
	return e
}

// A token that ends with its parent is given again until then, and lives for as
// much less as time has passed.
func TestExchangeIsAnsweredOnceUntilItsParentEnds(t *testing.T) {
	e := newEngine(t, nil)
	p := usualParties(policies.IssueTokenExchange)
	p.token.Expires = worldNow + 200
	in := p.question(t)
	d := decide(t, e, in)
	require.Equal(t, []any{false, int64(200), in.Parent.Expires}, []any{d.Reused, d.TTL, d.Ends})
	for _, passed := range []int64{0, 1, 7, 199, 3} {
		in.Now = worldNow + passed
		d := decide(t, e, in)
		require.Equal(t, []any{true, 200 - passed, in.Parent.Expires}, []any{d.Reused, d.TTL, d.Ends}, "%d seconds later", passed)
	}
	for _, passed := range []int64{200, 201, 1 << 30} {
		in.Now = worldNow + passed
		d := decide(t, e, in)
		require.False(t, d.Allow || d.Reused, "%d seconds later", passed)
		require.Contains(t, answer(d).Codes, "lifetime_exhausted")
	}
}

// Where the house allows less than is left, that is given until the end is nearer.
func TestExchangeThatTheHouseShortensIsAnsweredTwice(t *testing.T) {
	e := newEngine(t, rules("max_ttl := 60.5"))
	p := usualParties(policies.IssueTokenExchange)
	p.token.Expires = worldNow + 200
	in := p.question(t)
	for _, c := range []struct {
		passed, ttl int64
		reused      bool
	}{{0, 60, false}, {100, 60, true}, {140, 60, true}, {141, 59, false}, {142, 58, true}, {199, 1, true}, {140, 60, false}} {
		in.Now = worldNow + c.passed
		d := decide(t, e, in)
		require.Equal(t, []any{c.reused, c.ttl}, []any{d.Reused, d.TTL}, "%d seconds later", c.passed)
	}
}

// spoilt are rules about ends with one thing wrong in them.
var spoilt = []struct{ file, was, is string }{
	{"floor/everyday/everyday.rego", "[ttl < limit]", "[ttl <= limit]"},
	{"floor/everyday/everyday.rego", "[ttl < limit]", "[ttl < limit - 1]"},
	{"floor/everyday/everyday.rego", "[ttl < limit]", "[false]"},
	{"floor/everyday/everyday.rego", "[ttl < limit]", "[true]"},
	{"floor/everyday/everyday.rego", "[0, end - limit]", "[0, end]"},
	{"floor/everyday/everyday.rego", "[0, end - limit]", "[0, (end - limit) + 1]"},
	{"floor/everyday/everyday.rego", "[end, end - 1]", "[end, end]"},
	{"floor/everyday/everyday.rego", "[end, end - 1]", "[0, end - 1]"},
	{"floor/everyday/everyday.rego", "\tlast >= input.now\n", "\n"},
	{"floor/everyday/everyday.rego", "last := end - ttl", "last := end"},
	{"floor/lifetime/lifetime.rego", "ends := input.now + ttl if ttl < min(limits)", "ends := input.now + ttl"},
	{"floor/lifetime/lifetime.rego", "if ttl < min(limits)", "if ttl <= min(limits)"},
	{"compose/issue/issue.rego", "_limited if _limit <= input.floor.ttl", "_limited if _limit < input.floor.ttl"},
	{"compose/issue/issue.rego", "_limited if _limit <= input.floor.ttl", "_limited if _limit"},
	{"compose/issue/issue.rego", "_ends := input.floor.ends if not _limited", "_ends := input.floor.ends"},
	{"compose/issue/issue.rego", "{input.floor.valid_until, input.floor.ends - _limit}", "{input.floor.valid_until}"},
	{"compose/issue/issue.rego", "{input.floor.valid_until, input.floor.ends - _limit}", "{input.floor.ends - _limit}"},
	{"compose/issue/issue.rego", "{\n\t_limited\n\tinput.floor.ends > 0\n}", "{\n\tinput.floor.ends > 0\n}"},
	{"compose/issue/issue.rego", "{\n\t_limited\n\tinput.floor.ends > 0\n}", "{\n\t_limited\n}"},
}

// What is wrong with an end is noticed by asking again, under some house policy.
func TestEverySpoiltEndIsNoticed(t *testing.T) {
	var asked []policies.Input
	for seed := range 200 {
		asked = append(asked, endingSoon(t, seed))
	}
	houses := []string{"max_ttl := 99.5", "max_ttl := 14", "max_ttl := 100", ""}
	var fresh []*Engine
	for _, house := range houses {
		fresh = append(fresh, asEver(t, house))
	}
	for _, s := range spoilt {
		t.Run(s.is, func(t *testing.T) {
			t.Parallel()
			reusing, err := New(Options{Floor: shippedWith(t, s.file, s.was, s.is)})
			require.NoError(t, err)
			for i, house := range houses {
				require.NoError(t, reusing.Load(rules(house)))
				for _, in := range asked {
					if _, _, err := askedAgain(fresh[i], reusing, in); err != nil {
						t.Log(err)
						return
					}
				}
			}
			t.Errorf("nobody noticed that %q is %q", s.was, s.is)
		})
	}
}

// shippedWith is the shipped policy with one passage of one file changed.
func shippedWith(t *testing.T, file, was, is string) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	for _, root := range []string{"floor", "compose"} {
		require.NoError(t, fs.WalkDir(policies.FS, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(policies.FS, name)
			if name == file {
				require.Equal(t, 1, strings.Count(string(text), was), "%s in %s", was, file)
				text = []byte(strings.Replace(string(text), was, is, 1))
			}
			out[name] = &fstest.MapFile{Data: text}
			return err
		}))
	}
	require.Contains(t, out, file)
	return out
}
