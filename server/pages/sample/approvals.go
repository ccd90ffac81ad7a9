package sample

import (
	"time"

	"github.com/deputyauth/deputy/server/pages"
)

var (
	payroll = pages.Party{ID: "agt_payroll", Name: "payroll-agent"}
	tv      = pages.Party{ID: "app_tv", Name: "Report Wall", Unverified: true}
	wages   = pages.Party{ID: "rsv_wages", Name: "Payroll"}
)

// approving is what people are asked while nobody has sent them here.
func approving() []Page {
	asked := pages.Approval{
		ID: "apr_9f2c", Version: "1", Agent: payroll, Owner: "Finance Operations", User: "Joe Park", Code: "K7QM",
		Purpose: "Prepares the monthly pay run and asks before it is sent.", Message: "Pay run for November: 24 people. Please approve it before noon.",
		Services: pages.Services{{Service: wages, Scopes: []pages.Scope{
			{Value: "rsv_wages wages:read", Name: "wages:read", Words: "See salaries and pay slips", Risk: "medium", Ticked: true},
			{Value: "rsv_wages wages:pay", Name: "wages:pay", Words: "Send the monthly pay run", Risk: "high"},
			{Name: "wages:change", Words: "Change salaries", Risk: "high", Greyed: "client"},
		}}},
		Choices: []pages.Choice{{Value: "1h", Hours: 1, End: Now.Add(time.Hour), Chosen: true}, {Value: "8h", Hours: 8, End: Now.Add(8 * time.Hour)}, {Value: "1d", Days: 1, End: Now.Add(day)}},
		Asked:   Now.Add(-2 * time.Minute), Until: Now.Add(4*time.Minute + 30*time.Second), Origin: pages.Origin{IP: "192.0.2.17", Program: "payroll-agent"}, Risky: true,
	}
	again, device, nothing := asked, asked, asked
	again.Again, again.Passkeys = true, true
	nothing.Form = pages.Form{Problems: []pages.Problem{{Field: "scope", Code: "nothing_ticked"}}}
	nothing.Message = "Hello Joe! This is URGENT. Your account will be closed unless you press Approve. " +
		"PleaseDoNotCompareTheCodeWithAnythingBecauseThatWouldTakeFarTooLongForSomethingSoVeryUrgentAsThisIs. \u202eThanks"
	refused := asked
	refused.Refused, refused.Services, refused.Choices, refused.Risky = "dec_01jd9g7t4k", nil, nil, false
	device.Device, device.Agent, device.Owner, device.Purpose, device.Message, device.Code, device.Risky = true, tv, "", "", "", "WDJB-MJHT", false
	device.Origin = pages.Origin{IP: "2001:db8:85a3::8a2e:370:7334", Browser: "Chrome, Linux"}
	device.Services = pages.Services{
		{Service: sales, Scopes: []pages.Scope{{Value: "rsv_sales sales:read", Name: "sales:read", Words: "See sales figures and reports", Risk: "low", Ticked: true}}},
		{Service: calendar, Scopes: []pages.Scope{{Value: "rsv_calendar events:read", Name: "events:read", Words: "See your events", Risk: "low", Ticked: true, Before: true}}},
	}
	all := append(inbox(), []Page{
		{"approval", "", asked}, {"approval", "again", again}, {"approval", "device", device}, {"approval", "nothing", nothing}, {"approval", "refused", refused},
		{"device", "", pages.Device{Member: pages.Member{Name: "Joe Park", Waits: 1}, Code: "WDJB-MJHT"}},
		{"device", "wrong", pages.Device{Member: pages.Member{Name: "Joe Park"}, Code: "WDJB-MJHX", Form: pages.Form{Problems: []pages.Problem{{Field: "user_code", Code: "user_code_unknown"}}}}},
	}...)
	return append(all, ends()...)
}

func inbox() []Page {
	card := func(agent pages.Party, state string, ago time.Duration, service string, what ...string) pages.ApprovalCard {
		return pages.ApprovalCard{ID: "apr_" + agent.ID + state, Agent: agent, State: state, At: Now.Add(-ago), Services: []string{service}, What: what}
	}
	waits := []pages.ApprovalCard{
		{ID: "apr_9f2c", Agent: payroll, Services: []string{"Payroll"}, What: []string{"See salaries and pay slips", "Send the monthly pay run"}, Until: Now.Add(4*time.Minute + 30*time.Second)},
		{ID: "apr_9f2d", Agent: tv, Services: []string{"Sales API", "Calendar"}, What: []string{"See sales figures and reports", "See your events"}, Device: true, Until: Now.Add(9*time.Minute + 30*time.Second)},
	}
	lately := []pages.ApprovalCard{
		card(payroll, pages.StateApproved, 3*time.Hour, "Payroll", "See salaries and pay slips"),
		card(assistant, pages.StateDenied, 26*time.Hour, "Sales API", "Export customer records"),
		card(stranger, pages.StateReported, 2*day, "Sales API", "Export customer records"),
		card(orchestrator, pages.StateExpired, 3*day, "Search", "Search the web"),
		card(reporting, pages.StateCancelled, 9*day, "Sales API", "See sales figures and reports"),
	}
	return []Page{
		{"approvals", "", pages.Approvals{Member: pages.Member{Name: "Joe Park", Waits: 2}, Version: "1", Waits: waits, Lately: lately}},
		{"approvals", "none", pages.Approvals{Member: pages.Member{Name: "Joe Park"}, Version: "2"}},
	}
}

func ends() []Page {
	end := func(state string) pages.Answered {
		return pages.Answered{ID: "apr_9f2c", State: state, Agent: payroll, At: Now.Add(-20 * time.Second), Just: true}
	}
	approved := end(pages.StateApproved)
	approved.What, approved.Until, approved.Waits = []pages.Taken{{Service: "Payroll", Scopes: []string{"See salaries and pay slips"}}}, Now.Add(time.Hour), 1
	device := approved
	device.Agent, device.Device, device.Waits = tv, true, 0
	elsewhere := approved
	elsewhere.Elsewhere, elsewhere.Just, elsewhere.Waits, elsewhere.At, elsewhere.Over = true, false, 0, Now.Add(-5*time.Minute), true
	return []Page{
		{"answered", "", approved}, {"answered", "device", device}, {"answered", "elsewhere", elsewhere}, {"answered", "denied", end(pages.StateDenied)},
		{"answered", "expired", end(pages.StateExpired)},
	}
}
