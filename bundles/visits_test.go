package bundles

import (
	"maps"
	"slices"
	"testing"

	"github.com/deputyauth/deputy/policies"
)

// visits are questions of a client that asks for a user who agreed to part of it
// before, and of the user's answer, each with one thing out of order, or unusual.
func visits(t testing.TB) (out []policies.Input) {
	wrong := visitsWrong()
	for _, action := range []string{policies.Authorize, policies.AnswerConsent} {
		for _, name := range slices.Sorted(maps.Keys(wrong)) {
			p := usualParties(policies.IssueAuthorizationCode)
			p.in.Action, p.in.Credential, p.in.Consent = action, policies.Credential{}, nil
			p.in.Session = &policies.Session{AuthTime: worldNow - 100, ACR: "1"}
			p.in.Request.Visit = &policies.Visit{RedirectOK: true, PKCE: "ok", Began: worldNow - 10}
			p.consent.Scopes = map[string]bool{"read": true}
			p.in.Consents = []*policies.Consent{p.consent}
			if action == policies.AnswerConsent {
				p.in.Request.Answer = &policies.Answer{Scopes: []policies.Grants{{Resource: oneServer, Scope: "write"}}, Until: worldNow + 50}
			}
			wrong[name](p)
			in := p.question(t)
			in.Authorization = nil
			if name == "nobody" {
				in.Subject = nil
			}
			out = append(out, in)
		}
	}
	return out
}

func visitsWrong() map[string]func(*parties) {
	second := func(p *parties) {
		other := p.server
		other.ID, other.Identifier = twoServer, "https://two"
		p.others = append(p.others, other)
	}
	out := map[string]func(*parties){
		"nothing":        func(*parties) {},
		"nobody":         func(*parties) {},
		"no session":     func(p *parties) { p.in.Session = nil },
		"just signed in": func(p *parties) { p.in.Session.AuthTime = worldNow },
		"strong":         func(p *parties) { p.in.Session.ACR = "2" },
		"all agreed":     func(p *parties) { p.consent.Scopes["write"] = true },
		"never agreed":   func(p *parties) { p.in.Consents = nil },
		"not of a code":  func(p *parties) { p.client.GrantTypes = []string{"refresh_token"} },
		"two servers":    func(p *parties) { second(p); p.in.Request.Resources = []string{"https://one", "https://two"} },
		"one of two":     second,
		"none named":     func(p *parties) { p.in.Request.Resources = []string{} },
		"no server":      func(p *parties) { p.in.Request.Resources = nil },
		"unknown server": func(p *parties) { p.in.Request.Resources = []string{"https://one", "https://nowhere"} },
		"server suspended": func(p *parties) {
			second(p)
			p.server.Status, p.in.Request.Resources = "suspended", []string{"https://one", "https://two"}
		},
		"defaults": func(p *parties) {
			p.in.Request.Scopes, p.client.Defaults[oneServer] = []string{}, []string{"write", "ghost"}
		},
		"unused defaults": func(p *parties) {
			p.in.Request.Scopes, p.client.Defaults[oneServer] = []string{"read"}, []string{"write"}
		},
		"ghost defaults": func(p *parties) { p.in.Request.Scopes, p.client.Defaults[oneServer] = []string{}, []string{"ghost"} },
		"answer unasked": func(p *parties) {
			p.in.Request.Answer = &policies.Answer{Scopes: []policies.Grants{{Resource: oneServer, Scope: "write"}}, Until: worldNow + 60}
		},
		"nothing asked":   func(p *parties) { p.in.Request.Scopes = []string{} },
		"scopes unread":   func(p *parties) { p.in.Request.Scopes = nil },
		"ghost":           func(p *parties) { p.in.Request.Scopes = []string{"read", "ghost"} },
		"risky":           func(p *parties) { p.server.Scopes["write"] = policies.Scope{Risk: "high"} },
		"user holds less": func(p *parties) { delete(p.subject.Scopes[oneServer], "write") },
		"user holds none": func(p *parties) { p.subject.Scopes = nil },
		"client less":     func(p *parties) { delete(p.client.Scopes[oneServer], "write") },
		"user suspended":  func(p *parties) { p.subject.Status = "suspended" },
		"user an agent":   func(p *parties) { p.subject.Kind = "agent" },
		"user nameless":   func(p *parties) { p.subject.ID = "" },
		"user ends":       func(p *parties) { p.subject.ExpiresAt = worldNow + 30 },
		"client ends":     func(p *parties) { p.client.ExpiresAt = worldNow + 30 },
		"owner ends":      func(p *parties) { p.client.Owner.ExpiresAt = worldNow + 30 },
		"endless": func(p *parties) {
			p.subject.ExpiresAt, p.client.ExpiresAt, p.client.Owner = policies.Never, policies.Never, nil
		},
	}
	for name, met := range meetings(second) {
		out["who: "+name] = met
	}
	for name, spoil := range map[string]func(*policies.Visit){
		"redirect":       func(v *policies.Visit) { v.RedirectOK = false },
		"no challenge":   func(v *policies.Visit) { v.PKCE = "missing" },
		"plain":          func(v *policies.Visit) { v.PKCE = "plain" },
		"login":          func(v *policies.Visit) { v.Prompt = []string{"login"} },
		"select_account": func(v *policies.Visit) { v.Prompt = []string{"select_account"} },
		"consent":        func(v *policies.Visit) { v.Prompt = []string{"consent"} },
		"none":           func(v *policies.Visit) { v.Prompt = []string{"none"} },
		"acr":            func(v *policies.Visit) { v.ACRValues = []string{"2"} },
		"acr met":        func(v *policies.Visit) { v.ACRValues = []string{"1"} },
		"max_age 0":      func(v *policies.Visit) { v.MaxAge = new(int64(0)) },
		"max_age 100":    func(v *policies.Visit) { v.MaxAge = new(int64(100)) },
		"max_age 99":     func(v *policies.Visit) { v.MaxAge = new(int64(99)) },
		"hint":           func(v *policies.Visit) { v.Subject = "usr_1" },
		"other hint":     func(v *policies.Visit) { v.Subject = "usr_2" },
		"hint, silent":   func(v *policies.Visit) { v.Subject, v.Prompt = "usr_2", []string{"none"} },
	} {
		out["visit: "+name] = func(p *parties) { spoil(p.in.Request.Visit) }
		out["just signed in, visit: "+name] = func(p *parties) { spoil(p.in.Request.Visit); p.in.Session.AuthTime = worldNow - 10 }
		out["agreed, visit: "+name] = func(p *parties) { spoil(p.in.Request.Visit); p.consent.Scopes["write"] = true }
		out["no session, visit: "+name] = func(p *parties) { spoil(p.in.Request.Visit); p.in.Session = nil }
	}
	for name, spoil := range map[string]func(*policies.Consent){
		"revoked":   func(c *policies.Consent) { c.Revoked = true },
		"expired":   func(c *policies.Consent) { c.ExpiresAt = worldNow },
		"redirects": func(c *policies.Consent) { c.RedirectsOK = false },
		"another":   func(c *policies.Consent) { c.Client = "agt_other" },
		"of other":  func(c *policies.Consent) { c.Subject = "usr_other" },
		"elsewhere": func(c *policies.Consent) { c.Resource = twoServer },
		"no":        func(c *policies.Consent) { c.Scopes["read"] = false },
	} {
		out["consent "+name] = func(p *parties) { spoil(p.consent) }
	}
	for name, spoil := range map[string]func(*policies.Answer){
		"nothing ticked":  func(a *policies.Answer) { a.Scopes = nil },
		"agreed to again": func(a *policies.Answer) { a.Scopes = []policies.Grants{{Resource: oneServer, Scope: "read"}} },
		"not offered":     func(a *policies.Answer) { a.Scopes = []policies.Grants{{Resource: oneServer, Scope: "ghost"}} },
		"elsewhere":       func(a *policies.Answer) { a.Scopes = []policies.Grants{{Resource: twoServer, Scope: "write"}} },
		"until now":       func(a *policies.Answer) { a.Until = worldNow },
		"until too late":  func(a *policies.Answer) { a.Until = worldNow + 5001 },
		"until the end":   func(a *policies.Answer) { a.Until = worldNow + 5000 },
	} {
		out["answer "+name] = func(p *parties) {
			if p.in.Request.Answer != nil {
				spoil(p.in.Request.Answer)
			}
		}
	}
	return out
}

// meetings are visits of clients that ask who the user is, mostly.
func meetings(second func(*parties)) map[string]func(*parties) {
	who := func(scopes ...string) func(*parties) {
		return func(p *parties) {
			r := p.server
			r.ID, r.Identifier = openID, "https://deputy/oauth2/userinfo"
			r.Scopes = map[string]policies.Scope{"openid": {Risk: "low"}, "email": {Risk: "low"}}
			p.others, p.in.Request.Scopes = append(p.others, r), scopes
			p.client.Scopes[openID] = map[string][]string{"openid": {"rol_1"}, "email": {"rol_1"}}
			p.subject.Scopes[openID] = p.client.Scopes[openID]
		}
	}
	and := func(f func(*parties), more func(*parties)) func(*parties) { return func(p *parties) { f(p); more(p) } }
	unnamed := func(p *parties) { p.in.Request.Resources = []string{} }
	out := map[string]func(*parties){
		"named":            and(who("openid", "read"), func(p *parties) { p.in.Request.Resources = []string{"https://deputy/oauth2/userinfo"} }),
		"both named":       and(who("openid", "read"), func(p *parties) { p.in.Request.Resources = []string{"https://one", "https://deputy/oauth2/userinfo"} }),
		"not known":        func(p *parties) { p.in.Request.Scopes = []string{"openid", "read"} },
		"unnamed, unknown": func(p *parties) { p.in.Request.Scopes, p.in.Request.Resources = []string{"openid", "read"}, []string{} },
		"suspended":        and(who("openid", "read"), func(p *parties) { p.others[0].Status = "suspended" }),
		"client lacks it":  and(and(who("openid"), unnamed), func(p *parties) { p.client.Scopes[openID] = nil }),
		"one of two":       and(and(who("openid", "read"), second), func(p *parties) { unnamed(p); p.client.Scopes[twoServer] = nil }),
		"either of two":    and(and(who("openid", "read"), second), func(p *parties) { unnamed(p); p.client.Scopes[twoServer] = p.client.Scopes[oneServer] }),
		"neither of two":   and(and(who("openid", "ghost"), second), unnamed),
		"alone of two":     and(and(who("openid", "email"), second), unnamed),
		"offline":          func(p *parties) { p.in.Request.Scopes = []string{"read", "offline_access"} },
		"offline alone":    func(p *parties) { p.in.Request.Scopes = []string{"offline_access"} },
	}
	for name, scopes := range map[string][]string{
		"alone": {"openid"}, "and read": {"openid", "read"}, "email, no openid": {"email", "read"}, "email alone": {"email"},
		"all": {"openid", "email", "read", "write", "offline_access"}, "and ghost": {"openid", "ghost"}, "offline too": {"openid", "offline_access"},
	} {
		out[name], out[name+", unnamed"] = who(scopes...), and(who(scopes...), unnamed)
	}
	return out
}
