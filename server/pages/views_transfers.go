package pages

import "time"

// OfferCard is an offer that waits for the person's answer, in short.
type OfferCard struct {
	ID    string
	Agent Party
	By    string // who offers
	Until time.Time
}

// OwnedCard is one agent or application that the person answers for, in short.
type OwnedCard struct {
	Agent   Party
	Status  string // as in AgentCard
	Until   time.Time
	Forever bool   // Until says nothing
	Offered string // to whom it is offered, "" if it is not
}

// Answering is what the page of an agent shows to who answers for it.
type Answering struct {
	Sponsor string
	Open    *OpenOffer // nil: there is none
}

// OpenOffer is an offer that was made and waits.
type OpenOffer struct {
	ID    string // "" if the person cannot take it back: they did not make it
	To    string // as whoever offers called them
	Until time.Time
}

// TransferPage is the page "transfer": somebody is asked to answer for an agent.
type TransferPage struct {
	Form
	Member
	ID       string
	State    string // open, or how it ended
	Agent    Party
	Purpose  string
	Sponsor  string
	Owner    string // who answers for it now, "" if nobody
	Alone    bool   // nobody does who could: it stands still
	By       string // who offers
	ByOwner  bool   // who offers answers for it
	Until    time.Time
	Services []Asked // what it may do, anywhere
	Risky    bool    // something of high risk is among it
}
