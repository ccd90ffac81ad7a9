package models

import (
	"context"
	"net"
	"net/url"
	"slices"
)

// Upstream is an OpenID provider that people may sign in with.
type Upstream struct {
	Meta
	Name      string   `json:"name"` // on the button
	Issuer    string   `json:"issuer"`
	ClientID  string   `json:"client_id"` // as which Deputy is registered there
	Sealed    []byte   `json:"-"`         // the client secret; nil: there is none
	Scopes    []string `gorm:"serializer:json" json:"scopes"`
	ACRValues []string `gorm:"column:acr_values;serializer:json" json:"acr_values"` // asked for, where more than a password is wanted
	Status    string   `json:"status"`
}

func (u *Upstream) touches(c *change) { c.touch("upstream", u.ID) }

func (u *Upstream) validate() error {
	if len(u.Scopes) == 0 {
		u.Scopes = []string{"openid"}
	}
	if u.ACRValues == nil {
		u.ACRValues = []string{}
	}
	if u.Name == "" || u.ClientID == "" {
		return invalid("name", "and client_id must be given")
	}
	if !slices.Contains(u.Scopes, "openid") || len(u.Scopes) > 20 || len(u.ACRValues) > 20 {
		return invalid("scopes", "must hold openid; of scopes and acr_values there are 20 each at most")
	}
	for _, one := range slices.Concat(u.Scopes, u.ACRValues) {
		if err := CheckScope("scopes", one); err != nil {
			return err
		}
	}
	for _, err := range []error{
		checkText("name", u.Name, 60), checkText("client_id", u.ClientID, 255), checkIssuer(u.Issuer), checkStatus(u.Status, StatusActive, StatusSuspended),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkIssuer holds an issuer to OpenID Connect Discovery section 3: an https
// address without query and fragment. http is for this machine, where the server
// runs for development.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || len(issuer) > 255 || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return invalid("issuer", "must be an address without query and fragment")
	}
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()) {
		return nil
	}
	return invalid("issuer", "must be an https address")
}

// CreateUpstream stores a new provider, active unless told. seal makes the sealed secret, which hangs
// from the id; nil if there is none. ErrConflict: the issuer is known already.
func (s *Store) CreateUpstream(ctx context.Context, by By, u *Upstream, seal func(id string) []byte) error {
	u.Meta = newMeta(PrefixUpstream)
	if u.Status == "" {
		u.Status = StatusActive
	}
	if seal != nil {
		u.Sealed = seal(u.ID)
	}
	return create(ctx, s, by, "createUpstream", u)
}

// Upstream reads one provider. ErrNotFound if there is none.
func (s *Store) Upstream(ctx context.Context, id string) (*Upstream, error) {
	return get[Upstream](ctx, s, "getUpstream", id)
}

// Upstreams lists providers, oldest first.
func (s *Store) Upstreams(ctx context.Context, p Page) ([]Upstream, string, error) {
	return list(s.read.WithContext(ctx), "listUpstreams", "id", p, func(u Upstream) string { return u.ID })
}

// UpdateUpstream changes what edit changes, if the provider is still ifVersion. Its
// issuer stays: another issuer is another provider.
func (s *Store) UpdateUpstream(ctx context.Context, by By, id string, ifVersion int64, edit func(*Upstream)) (*Upstream, error) {
	return update(ctx, s, by, "updateUpstream", id, ifVersion, func(_ *change, u *Upstream) error {
		issuer := u.Issuer
		edit(u)
		u.Issuer = issuer
		return nil
	})
}

// DeleteUpstream removes a provider. Nobody signs in with it from then on; who was
// linked to it still is, should its issuer come back.
func (s *Store) DeleteUpstream(ctx context.Context, by By, id string, ifVersion int64) error {
	return remove[Upstream](ctx, s, by, "deleteUpstream", id, ifVersion, nil)
}
