package bundles

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// accountActions are what people change of their accounts, and what nobody does.
func accountActions() []string {
	return []string{"account:removePasskey", "account:endSession", "account:revokeAgent", "account:changePassword", "account:acceptAgent", "account:offerAgent", "account:withdrawOffer", "account:makeMeKing"}
}

// account says what a person may change of their own account.
func (o *oracle) account() {
	recent, known := map[string]bool{
		"removePasskey": true, "changePassword": true, "endSession": false, "revokeAgent": false, "acceptAgent": true, "offerAgent": true, "withdrawOffer": false,
	}[strings.TrimPrefix(o.in.Action, policies.AccountPrefix)]
	o.refuse("operation_unknown", !known)
	o.refuse("subject_unknown", o.subject == nil || o.subject.ID == "" || o.subject.Kind != "user")
	o.refuse("subject_inactive", o.subject == nil || o.subject.Status != "active")
	o.refuse("subject_expired", o.subject == nil || !o.ahead(o.subject.ExpiresAt))
	s, obj := o.in.Session, o.in.Object
	o.refuse("login_required", s == nil)
	o.refuse("object_foreign", obj == nil || o.subject == nil || obj.Owner != o.subject.ID)
	o.refuse("sign_in_too_old", recent && (s == nil || o.in.Now-s.AuthTime >= 15*60))
	o.refuse("offers_exhausted", o.in.Action == "account:offerAgent" && (obj == nil || obj.Offers >= 20))
	o.refuse("second_factor_needed", recent && (s == nil || s.ACR != "2") && (obj == nil || obj.SecondFactor))
}

// accounted is the question of a person who changes their account.
func (w *world) accounted(action string) policies.Input {
	in := policies.Input{Action: action, Now: worldNow, Request: policies.Request{Resources: []string{}, Scopes: []string{}}}
	user := w.principal("usr_1", false, []string{oneServer, twoServer})
	user.Kind, user.Owner = either(w, "account of", []string{"user"}, []string{"agent", "application"}), nil
	in.Subject = fact(w, "subject", user)
	if !w.bad("session") {
		in.Session = &policies.Session{
			AuthTime: either(w, "auth time", []int64{worldNow - 899, worldNow}, []int64{worldNow - 900, 0}),
			ACR:      either(w, "acr", []string{"2"}, []string{"1", ""}), AMR: []string{"pwd"},
		}
	}
	if !w.bad("object") {
		in.Object = &policies.Object{
			Kind: "passkey", ID: "psk_1", Owner: either(w, "owner", []string{user.ID}, []string{"", "usr_2"}), SecondFactor: w.coin("second factor"),
			Offers: either(w, "offers", []int64{0, 19}, []int64{20, 500}),
		}
	}
	return in
}

// accounts are a person's changes, each with one thing out of order, or unusual.
func accounts(t testing.TB) (out []policies.Input) {
	wrong := map[string]func(*policies.Input, *policies.Principal){
		"nothing":       func(*policies.Input, *policies.Principal) {},
		"nobody":        func(_ *policies.Input, p *policies.Principal) { p.ID = "" },
		"nobody's":      func(in *policies.Input, p *policies.Principal) { p.ID, in.Object.Owner = "", "" },
		"an agent":      func(_ *policies.Input, p *policies.Principal) { p.Kind = "agent" },
		"suspended":     func(_ *policies.Input, p *policies.Principal) { p.Status = "suspended" },
		"expired":       func(_ *policies.Input, p *policies.Principal) { p.ExpiresAt = worldNow },
		"no session":    func(in *policies.Input, _ *policies.Principal) { in.Session = nil },
		"just recent":   func(in *policies.Input, _ *policies.Principal) { in.Session.AuthTime = worldNow - 899 },
		"not recent":    func(in *policies.Input, _ *policies.Principal) { in.Session.AuthTime = worldNow - 900 },
		"nothing there": func(in *policies.Input, _ *policies.Principal) { in.Object = nil },
		"somebody's":    func(in *policies.Input, _ *policies.Principal) { in.Object.Owner = "usr_eve" },
		"second factor": func(in *policies.Input, _ *policies.Principal) { in.Object.SecondFactor = true },
		"many offers":   func(in *policies.Input, _ *policies.Principal) { in.Object.Offers = 19 },
		"too many":      func(in *policies.Input, _ *policies.Principal) { in.Object.Offers = 20 },
		"strong":        func(in *policies.Input, _ *policies.Principal) { in.Object.SecondFactor, in.Session.ACR = true, "2" },
	}
	for _, action := range accountActions() {
		for _, name := range slices.Sorted(maps.Keys(wrong)) {
			joe := aUser()
			in := policies.Input{
				Action: action, Now: worldNow, Request: policies.Request{Resources: []string{}, Scopes: []string{}},
				Session: &policies.Session{AuthTime: worldNow - 100, ACR: "1", AMR: []string{"pwd"}},
				Object:  &policies.Object{Kind: "passkey", ID: "psk_1", Owner: "usr_joe"},
			}
			wrong[name](&in, &joe)
			in.Subject = frozen(t, joe)
			out = append(out, in)
		}
	}
	return out
}
