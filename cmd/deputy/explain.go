package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type explainCmd struct {
	connection
	Decision     string        `arg:"" optional:"" help:"Explain this decision of the ledger (dec_…) instead of a request."`
	Client       string        `help:"Who would ask: name or id of an agent or application." placeholder:"NAME"`
	Grant        string        `default:"client_credentials" enum:"client_credentials,token-exchange,authorization_code,refresh_token,ciba,device_code" help:"client_credentials, token-exchange, authorization_code, refresh_token, ciba or device_code."`
	User         string        `help:"The user whom the client would ask, at a page or, with --grant ciba, elsewhere: their username or id." placeholder:"NAME"`
	RedirectURI  string        `help:"With --user: where they would be sent." placeholder:"URI"`
	Granted      string        `help:"Of authorization_code and refresh_token: what the user granted (gnt_…)." placeholder:"ID"`
	Approval     string        `help:"Of ciba and device_code: what the user was asked (apr_…)." placeholder:"ID"`
	Scope        string        `help:"Scopes, separated by spaces."`
	Resource     []string      `help:"Identifier of the resource server (RFC 8707)." placeholder:"URI"`
	SubjectToken string        `help:"Of a token exchange: the token, its id (tok_…), or - for standard input." placeholder:"TOKEN"`
	ActorToken   string        `help:"Of a token exchange: the token, or its id (tok_…)." placeholder:"TOKEN"`
	Credential   string        `help:"Id of the credential it would use (default: the first that lives)." placeholder:"ID"`
	In           time.Duration `help:"Answer for a time to come, such as 8h from now."`
	JSON         bool          `name:"json" help:"Print the server's answer as it is."`
}

// explainScopes is what these questions need of the admin API; audit:read is for
// those about the ledger.
const explainScopes = "policy:explain clients:read resources:read tokens:read users:read"

// errNotGranted makes the command end non-zero.
var errNotGranted = errors.New("it would not be granted")

// explanation is what the admin API answers.
type explanation struct {
	Granted  bool `json:"would_be_granted"`
	Decision struct {
		Scopes   []string `json:"scopes"`
		Audience string   `json:"audience"`
		TTL      int64    `json:"ttl"`
		Subject  string   `json:"subject_id"`
		Chain    []string `json:"chain"`
		Ask      string   `json:"ask"`
		Until    string   `json:"until"`
		Offers   []offer  `json:"offers"`
	} `json:"decision"`
	Missing     []lack            `json:"missing"`
	Error       string            `json:"error"`
	Description string            `json:"error_description"`
	Names       map[string]string `json:"names"`
	Policy      struct {
		Floor string `json:"floor"`
		House string `json:"house"`
	} `json:"policy"`
	Assumed struct {
		Credential string `json:"credential_id"`
		Method     string `json:"client_auth_method"`
	} `json:"assumed"`
	Recorded struct {
		Decision string `json:"decision_id"`
		Action   string `json:"action"`
		At       string `json:"at"`
	} `json:"recorded"`
}

type offer struct {
	Resource string `json:"resource_server_id"`
	Scope    string `json:"scope"`
	State    string `json:"state"`
	Missing  []lack `json:"missing"`
}

type lack struct {
	Party   string    `json:"party"`
	ID      string    `json:"party_id"`
	Name    string    `json:"party_name"`
	Lacks   string    `json:"lacks"`
	Scope   string    `json:"scope"`
	Reason  string    `json:"reason"`
	Rule    string    `json:"rule"`
	Layer   string    `json:"layer"`
	Message string    `json:"message"`
	Remedy  string    `json:"remedy"`
	Who     []changer `json:"who"`
	Follows bool      `json:"follows"`
}

type changer struct {
	Kind  string `json:"kind"`
	Right string `json:"right"`
	ID    string `json:"id"`
	Name  string `json:"name"`
}

// Run asks the server and prints what it says. It fails if the request would not
// be granted, or the recorded one was not.
func (c *explainCmd) Run(ctx context.Context, io streams) error {
	if (c.Decision == "") == (c.Client == "") {
		return errors.New("explain what? give --client and what it would ask for, or the id of a decision")
	}
	r, err := c.admin()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if c.Decision != "" {
		r.scopes = "audit:read"
		err = r.call(ctx, http.MethodGet, "/audit/entries/"+url.PathEscape(c.Decision)+"/explanation", nil, &raw)
	} else {
		r.scopes = explainScopes
		raw, err = c.ask(ctx, r)
	}
	if err != nil {
		return err
	}
	var x explanation
	if err := json.Unmarshal(raw, &x); err != nil {
		return err
	}
	if c.JSON {
		fmt.Fprintln(io.out, string(raw))
	} else {
		x.write(io.out)
	}
	if !x.Granted {
		return errNotGranted
	}
	return nil
}

func (c *explainCmd) ask(ctx context.Context, r *remote) (raw json.RawMessage, err error) {
	client, err := r.client(ctx, c.Client)
	if err != nil {
		return nil, err
	}
	grant, user := c.Grant, c.User
	if user != "" {
		if user, err = r.user(ctx, user); err != nil {
			return nil, err
		}
		if grant != "ciba" {
			grant = "authorization_code"
		}
	}
	if full, ok := grantNames[grant]; ok {
		grant = full
	}
	body := map[string]any{"client_id": client.ID, "grant_type": grant, "scopes": strings.Fields(c.Scope), "resources": append([]string{}, c.Resource...)}
	subject, err := readSecretArg(c.SubjectToken)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"subject_token": subject, "actor_token": c.ActorToken, "credential_id": c.Credential,
		"user_id": user, "redirect_uri": c.RedirectURI, "grant_id": c.Granted, "approval_id": c.Approval} {
		if value != "" {
			body[name] = value
		}
	}
	if c.In != 0 {
		body["at"] = time.Now().Add(c.In).UTC().Format(time.RFC3339)
	}
	return raw, r.call(ctx, http.MethodPost, "/explain", body, &raw)
}

// write tells people.
func (x *explanation) write(w io.Writer) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-9s %s\n", name, value)
		}
	}
	granted := map[bool]string{true: "yes", false: "no"}[x.Granted]
	if x.Recorded.Decision != "" {
		line("decision", x.Recorded.Decision+" of "+x.Recorded.At+", "+x.Recorded.Action)
	}
	line("granted", granted)
	line("scope", strings.Join(x.Decision.Scopes, " "))
	line("audience", x.Decision.Audience)
	line("subject", x.name(x.Decision.Subject))
	line("chain", x.chain())
	line("asks", x.Decision.Ask)
	line("until", x.Decision.Until)
	if x.Granted && x.Decision.TTL > 0 {
		line("lives", (time.Duration(x.Decision.TTL) * time.Second).String())
	}
	if x.Assumed.Credential != "" {
		line("assuming", x.Assumed.Credential+" ("+x.Assumed.Method+")")
	}
	line("told", strings.TrimSuffix(x.Error+": "+x.Description, ": "))
	if x.Policy.Floor != "" {
		line("policy", short(x.Policy.Floor)+" floor, "+short(x.Policy.House)+" house")
	}
	x.writeOffers(w)
	told := 0
	for _, l := range x.Missing {
		if !l.Follows {
			told++
			fmt.Fprintf(w, "\n%2d. %s\n", told, l.Message)
			l.write(w)
		}
	}
	if following := len(x.Missing) - told; following > 0 {
		fmt.Fprintf(w, "\nand %d more that follow from these (--json shows them)\n", following)
	}
}

// writeOffers tells what a user would find on the page.
func (x *explanation) writeOffers(w io.Writer) {
	for _, o := range x.Decision.Offers {
		fmt.Fprintf(w, "%-9s %s at %s\n", o.State, o.Scope, x.name(o.Resource))
		for _, l := range o.Missing {
			fmt.Fprintf(w, "          %s\n", l.Message)
		}
	}
}

func (l lack) write(w io.Writer) {
	lacks := l.Lacks
	if l.Scope != "" {
		lacks += " " + l.Scope
	}
	party := strings.ReplaceAll(l.Party, "_", " ")
	if name := cmp.Or(l.Name, l.ID); name != "" {
		party += " " + name
	}
	fmt.Fprintf(w, "    %-8s %s\n    %-8s %s\n", "party", party, "lacks", lacks)
	fmt.Fprintf(w, "    %-8s %s\n", "rule", strings.TrimSpace(l.Reason+"  "+cmp.Or(l.Rule, "("+l.Layer+")")))
	fmt.Fprintf(w, "    %-8s %s\n", "remedy", l.Remedy)
	var who []string
	for _, c := range l.Who {
		who = append(who, c.String())
	}
	fmt.Fprintf(w, "    %-8s %s\n", "by", strings.Join(who, "; "))
}

// String tells who that is.
func (c changer) String() string {
	name := cmp.Or(c.Name, c.ID)
	switch c.Kind {
	case "administrator":
		return "an administrator with " + c.Right
	case "requester":
		return strings.TrimSpace(name + " itself, with another request")
	case "author":
		return "whoever writes house policy"
	case "host":
		return "whoever runs Deputy"
	case "other":
		return name
	default:
		return strings.TrimSpace("the " + c.Kind + " " + name)
	}
}

func (x *explanation) name(id string) string { return cmp.Or(x.Names[id], id) }

func (x *explanation) chain() string {
	var names []string
	for _, id := range x.Decision.Chain {
		names = append(names, x.name(id))
	}
	return strings.Join(names, " <- ")
}

// short is enough of a revision to tell it from others.
func short(revision string) string { return revision[:min(12, len(revision))] }
