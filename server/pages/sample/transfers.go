package sample

import "github.com/deputyauth/deputy/server/pages"

// transfers are the pages of who answers for agents, and of who is asked to.
func transfers(joe pages.Member) []Page {
	offer := pages.TransferPage{
		Member: joe, ID: "trf_1", State: "open", Agent: reporting, Purpose: "Puts together the weekly sales report and sends it to the team.",
		Sponsor: "Finance, cost centre 4711", Owner: "Alice Ng", By: "Alice Ng", ByOwner: true, Until: Now.Add(13 * day), Risky: true,
		Services: []pages.Asked{
			{Service: sales, Scopes: []pages.Scope{
				{Name: "sales:read", Words: "See sales figures and reports", Risk: "low"}, {Name: "sales:export", Words: "Export customer records", Risk: "high"},
			}},
			{Service: calendar, Scopes: []pages.Scope{{Name: "events:read", Words: "See your events", Risk: "medium"}}},
		},
	}
	alone := offer
	alone.By, alone.ByOwner, alone.Alone, alone.Services, alone.Risky = "admin-tool", false, true, nil, false
	over := pages.TransferPage{Member: joe, ID: "trf_1", State: "cancelled", Agent: reporting}
	offered := agent(joe)
	offered.Answering = &pages.Answering{Sponsor: "Finance, cost centre 4711", Open: &pages.OpenOffer{ID: "trf_1", To: "alice", Until: Now.Add(13 * day)}}
	mine := pages.AgentPage{
		Form:   pages.Form{Problems: []pages.Problem{{Field: "to", Code: "offer_unfit"}}},
		Member: joe, Agent: assistant, Owner: "Joe Park", Status: "active", Answering: &pages.Answering{Sponsor: "Research"},
	}
	asked := pages.Agents{
		Member: joe, Offers: []pages.OfferCard{{ID: "trf_1", Agent: reporting, By: "Alice Ng", Until: Now.Add(13 * day)}},
		Owned: []pages.OwnedCard{
			{Agent: assistant, Status: "active", Until: Now.Add(40 * day), Offered: "alice"}, {Agent: orchestrator, Status: "suspended", Forever: true},
		},
	}
	return []Page{
		{"transfer", "", offer}, {"transfer", "alone", alone}, {"transfer", "over", over},
		{"agent", "offered", offered}, {"agent", "owned", mine}, {"agents", "asked", asked},
	}
}
