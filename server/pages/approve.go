package pages

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// pending shows a request that waits for the person's answer, as policy decided it.
func (h *handler) pending(c *gin.Context, out *grants.ApprovalOutcome, who grants.Person) {
	ctx, a := c.Request.Context(), out.Approval
	client, err := h.Store.Client(ctx, a.ClientID)
	if err != nil {
		h.nothing(c, err)
		return
	}
	rows, err := h.Approvals.Waiting(ctx, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	said := h.names(ctx)
	view := Approval{
		ID: a.ID, Version: version(rows), Agent: party(client), Owner: said.owner(client), Purpose: client.Purpose, User: said.person(who.UserID),
		Message: a.Request.Message, Code: a.CompareCode, Asked: day(a.CreatedAt), Until: day(a.ExpiresAt), Origin: origin(a.IP, a.UserAgent),
		Itself: a.Request.GrantType == oauth.ClientCredentials, HandsOn: a.Request.GrantType == oauth.TokenExchange,
		Device: a.Kind == models.ApprovalDevice, Again: len(out.SignIn) > 0, Strong: slices.Contains(out.SignIn, "acr"), Passkeys: h.People.Passkeys(),
	}
	if out.Refusal != nil {
		view.Refused, view.Again = out.Refusal.DecisionID, false
	} else if out.Asked != nil {
		view.Services, view.Choices, view.Risky = asked(said, out.Asked.Offers), shortly(h.Store.Now(), out.Asked.Until), risky(out.Asked)
		view.Services = detailed(said, view.Services, out.Asked.DetailOffers, a.Request.Details)
	}
	if said.err != nil {
		h.broken(c, said.err)
		return
	}
	status := http.StatusOK
	if view.Again = view.Again && view.Refused == ""; out.Wrong != "" && !view.Again {
		code, ok := wrongAnswers[out.Wrong]
		if !ok {
			code = "not_answered"
		}
		status, view.Problems = http.StatusUnprocessableEntity, []Problem{{Field: "scope", Code: code}}
	}
	h.Render.Page(c, status, "approval", view)
}

func risky(d *policies.Decision) bool {
	return slices.ContainsFunc(d.Offers, func(o policies.Offer) bool { return o.Risk == models.RiskHigh && o.State != "greyed" }) ||
		slices.ContainsFunc(d.DetailOffers, func(o policies.DetailOffer) bool { return o.Risk == models.RiskHigh && o.State != "greyed" })
}

// hours are those for which somebody can allow what was asked once.
var hours = []int{1, 8}

// shortly are the ends of what is allowed for one request: an hour unless the person
// chooses otherwise.
func shortly(now, until int64) []Choice {
	var out []Choice
	for _, n := range hours {
		if end := now + int64(n)*3600; end < until {
			out = append(out, Choice{Value: choice(0, end).Value, Hours: n, End: time.Unix(end, 0)})
		}
	}
	last := choice(int((until-now+12*3600)/(24*3600)), until)
	if left := until - now; left < 24*3600 {
		last.Days, last.Hours = 0, int((left+1800)/3600)
	}
	out = append(out, last)
	out[0].Chosen = true
	return out
}

// named is what a program may call itself where people read it.
var named = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}`)

// origin is where a request came from. Programs say of themselves what they like.
func origin(ip, agent string) Origin {
	if browser := device(agent); !strings.Contains(browser, "?") {
		return Origin{IP: ip, Browser: browser}
	}
	return Origin{IP: ip, Program: named.FindString(agent)}
}

// party is a client by its name.
func (n *names) party(id string) Party { return Party{ID: id, Name: n.client(id)} }

// approval is a request in short: what was asked, or what was allowed of it.
func (n *names) approval(a models.Approval, state string) ApprovalCard {
	card := ApprovalCard{ID: a.ID, Agent: n.party(a.ClientID), Device: a.Kind == models.ApprovalDevice, State: state, Until: day(a.ExpiresAt)}
	if state != StatePending {
		card.At = endOf(&a)
	}
	if state == StateApproved {
		for _, held := range n.allowed(&a) {
			s := n.service(held.ResourceID)
			card.Services, card.What = append(card.Services, s.Name), append(card.What, s.words(held.Scopes)...)
		}
	} else {
		n.wanted(&a, &card)
	}
	if len(card.Services) == 0 {
		card.Services = []string{unknown}
	}
	if len(card.What) == 0 {
		card.What = []string{unknown}
	}
	return card
}

// wanted fills in what is asked for.
func (n *names) wanted(a *models.Approval, card *ApprovalCard) {
	services := n.named(a.Request.Resources)
	for _, s := range services {
		card.Services = append(card.Services, s.Name)
	}
	for _, name := range a.Request.Scopes {
		words := name
		for _, s := range services {
			if _, ok := s.scopes[name]; ok {
				words = s.scope(name).Words
			}
		}
		card.What = append(card.What, words)
	}
}

// allowed are the consents that somebody gave by an approval, whether or not they
// still count. What a machine was allowed is told as if it were one.
func (n *names) allowed(a *models.Approval) []models.Consent {
	if a.Kind == models.ApprovalMachine {
		var out []models.Consent
		for _, id := range slices.Sorted(maps.Keys(a.Granted.Scopes)) {
			out = append(out, models.Consent{ResourceID: id, Scopes: a.Granted.Scopes[id], Details: a.Granted.Details[id], ExpiresAt: a.ApprovedUntil, RevokedAt: a.UsedAt})
		}
		return out
	}
	// SECURITY: only the user's own.
	rows, _, err := n.store.Consents(n.ctx, models.ConsentFilter{SubjectID: a.SubjectID, ClientID: a.ClientID, ApprovalID: a.ID}, models.Page{Limit: 50})
	n.missing(err)
	return rows
}

// approved fills in what somebody allowed, and whether it still counts.
func (n *names) approved(a *models.Approval, view *Answered) {
	view.Over, view.Machine, view.Used = true, a.Kind == models.ApprovalMachine, a.UsedAt != 0
	for _, held := range n.allowed(a) {
		s := n.service(held.ResourceID)
		view.What = append(view.What, Taken{Service: s.Name, Scopes: s.words(held.Scopes)})
		view.Until = later(view.Until, day(held.ExpiresAt))
		view.Over = view.Over && (held.RevokedAt != 0 || held.ExpiresAt <= n.store.Now())
	}
}

// named are the services of these identifiers or ids, as far as there are such.
func (n *names) named(identifiers []string) []*service {
	var out []*service
	for _, name := range identifiers {
		if models.HasPrefix(name, models.PrefixResource) {
			out = append(out, n.service(name))
			continue
		}
		if canonical, err := models.CanonicalURI(name); err == nil {
			name = canonical
		}
		rows, _, err := n.store.ResourceServers(n.ctx, models.ResourceFilter{Identifier: name}, models.Page{Limit: 1})
		if !n.missing(err) && len(rows) == 1 {
			out = append(out, n.service(rows[0].ID))
		}
	}
	return out
}
