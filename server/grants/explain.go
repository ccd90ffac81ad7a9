package grants

import (
	"context"
	"errors"
	"slices"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// Hypothesis is a token request that nobody has sent.
type Hypothesis struct {
	ClientID string
	// Request is what the client would send, less its credentials. A token is
	// given raw or by its id.
	// So are a code and a refresh token, by the id of their grant, and an auth_req_id
	// and a device code, by that of the approval.
	Request oauth.TokenRequest
	// Visit is asked about instead, if it is there: the client asks for a user.
	Visit *Visit
	// Credential is the id of the live credential the client would authenticate
	// with, and Method the way; "" for the first that fits.
	Credential string
	Method     string
	At         int64 // unix seconds; 0 for now. Facts are always those of now
}

// Explanation is a decision with what would change it.
type Explanation struct {
	Input    policies.Input
	Decision policies.Decision
	Granted  bool
	Missing  []Lack            // empty exactly when Granted holds
	Told     *oauth.Error      // what the client hears, nil if Granted
	Names    map[string]string // of everybody the decision is about, by id
	Offers   []Offered         // of a client that asks for a user: each scope

	// Of a hypothesis only.
	Credentials []models.Credential // the client's live ones
	Epoch       int64               // every change up to here was looked at

	// Of a recorded decision only.
	Entry *models.Entry
}

// Offered is a scope that a user would be asked about, and, if it is greyed, why.
type Offered struct {
	policies.Offer
	Missing []Lack
}

// Explain tells what a request would be answered, and why. It asks the
// question the token endpoint would ask, in the same way; it mints nothing,
// records nothing, and uses nothing up. Who may ask is decided before.
func (e *Endpoint) Explain(ctx context.Context, h Hypothesis) (*Explanation, error) {
	if _, ok := e.grants[h.Request.GrantType]; !ok {
		return nil, &models.Invalid{Field: "grant_type", Reason: "is none that this server knows"}
	}
	if err := e.store.Refresh(ctx); err != nil {
		return nil, err
	}
	view, err := e.store.View(ctx)
	if err != nil {
		return nil, err
	}
	f := &facts{view: view, keys: byID{e.keys, e.store}, now: e.now().Unix(), grace: e.refreshes.Grace, supposed: true}
	if h.At != 0 && h.At < f.now {
		return nil, &models.Invalid{Field: "at", Reason: "is in the past; a decision that was taken is in the ledger"}
	}
	f.now = max(f.now, h.At)
	who, live, err := f.assumed(ctx, h)
	if err != nil {
		return nil, err
	}
	in, err := e.supposed(ctx, f, h, who)
	var problem *oauth.Error
	if errors.As(err, &problem) && problem.Code == oauth.InvalidTarget {
		return nil, &models.Invalid{Field: "resources", Reason: problem.Description}
	}
	if err != nil {
		return nil, err
	}
	d, err := e.verdict(ctx, in)
	if err != nil {
		return nil, err
	}
	x := &Explanation{Input: in, Decision: d, Credentials: live, Epoch: view.Epoch}
	if err := e.tell(ctx, view, x); err != nil {
		return nil, err
	}
	return x, e.weigh(x)
}

// assumed is the proof the client would bring: who it is, and by which of its
// live credentials. Without one it could prove nothing, and policy says so.
func (f *facts) assumed(ctx context.Context, h Hypothesis) (*proof, []models.Credential, error) {
	client, err := f.view.Principal(ctx, h.ClientID)
	if err != nil {
		return nil, nil, err
	}
	if client == nil || client.Value.Kind == "user" {
		return nil, nil, &models.Invalid{Field: "client_id", Reason: "names no client"}
	}
	rows, err := f.view.CredentialsNow(ctx, h.ClientID)
	if err != nil {
		return nil, nil, err
	}
	live := slices.DeleteFunc(rows, func(c models.Credential) bool { return !c.Live(f.now) })
	for _, c := range live {
		method, fits := methodOf(c, h.Method)
		if fits && (h.Credential == "" || h.Credential == c.ID) {
			return &proof{clientID: h.ClientID, credential: policies.Credential{ID: c.ID, Method: method}}, live, nil
		}
	}
	if h.Credential != "" || h.Method != "" && !(h.Method == oauth.None && client.Value.Public) {
		return nil, nil, &models.Invalid{Field: "credential_id", Reason: "the client has no such live credential, or it is for another method"}
	}
	if client.Value.Public {
		return &proof{clientID: h.ClientID, credential: policies.Credential{Method: oauth.None}}, live, nil
	}
	return &proof{clientID: h.ClientID}, live, nil
}

// methodOf is how a client authenticates with a credential, and whether it can
// do so in the way that is wanted.
func methodOf(c models.Credential, wanted string) (string, bool) {
	methods := []string{oauth.SecretBasic, oauth.SecretPost}
	if c.Kind != models.CredentialSecret {
		methods = []string{oauth.PrivateKeyJWT}
	}
	if wanted == "" {
		return methods[0], true
	}
	return wanted, slices.Contains(methods, wanted)
}

// reasonTooLarge is Deputy's own: a token it could not read back.
const reasonTooLarge = "token_too_large"

// weigh looks whether the token that was granted could be made.
func (e *Endpoint) weigh(x *Explanation) error {
	if !x.Granted || policies.Kind(x.Input.Action) != policies.KindIssue {
		return nil
	}
	_, claims := said(x.Input, x.Decision)
	err := e.keys.Fits(claims)
	if !errors.Is(err, tokens.ErrTooLarge) {
		return err
	}
	x.Granted, x.Told = false, tooLarge()
	client := x.Input.Client.Value
	x.Missing = []Lack{{
		Party: "client", PartyID: client.ID, PartyName: client.Name, Lacks: "request", Reason: reasonTooLarge, Layer: policies.LayerServer,
		Message: x.Told.Description, Remedy: "Ask for fewer scopes.", Who: []Changer{{Kind: policies.WhoRequester, ID: client.ID, Name: client.Name}},
	}}
	return nil
}

// byID reads a token that is named by its id, too. What was signed in it is what
// its decision says, and that is in the ledger.
type byID struct {
	reader
	store *models.Store
}

// Verify implements reader.
func (b byID) Verify(ctx context.Context, raw string) (*tokens.Claims, error) {
	if !models.HasPrefix(raw, models.PrefixToken) {
		return b.reader.Verify(ctx, raw)
	}
	t, err := b.store.Token(ctx, raw)
	if errors.Is(err, models.ErrNotFound) {
		return nil, tokens.Unknown
	}
	if err != nil {
		return nil, err
	}
	entry, err := b.store.EntryByID(ctx, t.DecisionID)
	if err != nil {
		return nil, err
	}
	kept, err := recallDetail(entry)
	if err != nil {
		return nil, err
	}
	return &tokens.Claims{
		Details: kept.Decision.Details,
		Subject: t.SubjectID, Audience: kept.Decision.Audience, ClientID: t.ClientID, Scope: scopeClaim(t.Scopes),
		ID: t.ID, Txn: t.Txn, GrantID: t.GrantID, IssuedAt: t.IssuedAt, Expires: t.ExpiresAt,
		Act: tokens.NestActors(t.Chain, func(string) string { return "" }),
	}, nil
}
