package pages

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
)

// ends are the days for which a person can be asked to allow something.
var ends = []int{1, 7, 30, 90, 365}

// usualDays are chosen unless the person chooses otherwise.
const usualDays = 30

// ask shows what a client asks of a person, as policy decided it.
func (h *handler) ask(c *gin.Context, out *grants.Outcome) {
	who, err := h.People.Person(c.Request.Context(), h.cookie(c, sessionCookie))
	if err != nil || who == nil {
		h.broken(c, err)
		return
	}
	view, err := h.consent(c, out, who)
	if err != nil {
		h.broken(c, err)
		return
	}
	status := http.StatusOK
	if code, ok := wrongAnswers[out.Wrong]; ok {
		status, view.Problems = http.StatusUnprocessableEntity, []Problem{{Field: "scope", Code: code}}
	}
	h.Render.Page(c, status, "consent", view)
}

// wrongAnswers are the words for answers that did not count.
var wrongAnswers = map[string]string{"nothing_ticked": "nothing_ticked", "details_not_offered": "not_offered", "scope_not_offered": "not_offered", "until_out_of_bounds": "not_offered"}

func (h *handler) consent(c *gin.Context, out *grants.Outcome, who *grants.Person) (Consent, error) {
	client, err := h.Store.Client(c.Request.Context(), out.Visit.ClientID)
	if err != nil {
		return Consent{}, err
	}
	said := h.names(c.Request.Context())
	view := Consent{
		Authorization: out.Visit.ID, Agent: party(client), Owner: said.owner(client), Purpose: client.Purpose, User: said.person(who.UserID),
		Services: detailed(said, asked(said, out.Asked.Offers), out.Asked.DetailOffers, out.Visit.Request.Details),
		Until:    choices(h.Store.Now(), out.Asked.Until), Risky: risky(out.Asked),
	}
	view.RedirectHost, view.App, view.LocalOnly = host(out.Visit.ReturnTo)
	return view, said.err
}

// asked is what is offered and greyed, by service, in the order of the decision.
func asked(said *names, offers []policies.Offer) []Asked {
	var out []Asked
	at := map[string]int{}
	for _, o := range offers {
		i, ok := at[o.Resource]
		if !ok {
			i = len(out)
			at[o.Resource], out = i, append(out, Asked{Service: said.service(o.Resource).Party})
		}
		s := said.service(o.Resource).scope(o.Scope)
		s.Value, s.Risk = o.Resource+" "+o.Scope, cmp.Or(o.Risk, s.Risk)
		s.Before, s.Ticked = o.State == "granted", o.State != "greyed" && o.Risk != "high"
		if o.State == "greyed" {
			s.Greyed = greyed(o.Reasons)
		}
		out[i].Scopes = append(out[i].Scopes, s)
	}
	return out
}

// greyed is the word for why a scope cannot be ticked: who it hangs on. That the
// person lacks it themselves is told first.
func greyed(reasons []policies.Reason) string {
	word := "other"
	for _, r := range reasons {
		switch {
		case r.Party == "house":
			return "house"
		case r.Code == "details_scope_missing" || r.Code == "details_missing":
			word = "together"
		case r.Code == "approval_required":
			word = "approval"
		case r.Party == "subject":
			return "user"
		case r.Party == "client" || r.Party == "resource":
			word = r.Party
		}
	}
	return word
}

// choices are the ends that policy allows, the last moment there may be among them.
func choices(now, until int64) []Choice {
	var out []Choice
	usual := 0
	for _, days := range ends {
		end := now + int64(days)*24*3600
		if end >= until {
			break
		}
		if days <= usualDays {
			usual = len(out)
		}
		out = append(out, choice(days, end))
	}
	if last := int((until - now + 12*3600) / (24 * 3600)); len(out) == 0 || out[len(out)-1].Days < last {
		if last <= usualDays {
			usual = len(out)
		}
		out = append(out, choice(last, until))
	}
	out[usual].Chosen = true
	return out
}

func choice(days int, end int64) Choice {
	return Choice{Value: strconv.FormatInt(end, 10), Days: days, End: time.Unix(end, 0)}
}
