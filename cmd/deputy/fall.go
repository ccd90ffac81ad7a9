package main

import (
	"context"
	"fmt"
	"net/http"
)

// apiFall is a blast radius as the admin API tells it.
type apiFall struct {
	Tokens        int64  `json:"tokens"`
	RefreshTokens int64  `json:"refresh_tokens"`
	Grants        int64  `json:"grants"`
	Approvals     int64  `json:"approvals"`
	Offers        int64  `json:"offers"`
	Owned         int64  `json:"owned_clients"`
	Left          *int64 `json:"credentials_left"`
	Holders       []struct {
		ClientID string `json:"client_id"`
		Tokens   int64  `json:"tokens"`
	} `json:"holders"`
}

// holdersShown is how many of those who hold tokens are named; they were all counted.
const holdersShown = 20

// falls prints what would fall with an object of the admin API.
func (r *remote) falls(ctx context.Context, io streams, path string) error {
	var f apiFall
	if err := r.call(ctx, http.MethodGet, path+"/blast-radius", nil, &f); err != nil {
		return err
	}
	if f.Left != nil {
		fmt.Fprintf(io.out, "Others that it can prove itself with: %d. Tokens that it got live on.\n", *f.Left)
		return nil
	}
	if f.Owned > 0 {
		fmt.Fprintf(io.out, "Agents and applications that stop with them: %d.\n", f.Owned)
	}
	if f.Approvals > 0 {
		fmt.Fprintf(io.out, "Requests to people that are not carried out any more: %d.\n", f.Approvals)
	}
	if f.Offers > 0 {
		fmt.Fprintf(io.out, "Offers to answer for an agent that end: %d.\n", f.Offers)
	}
	if f.Tokens+f.RefreshTokens == 0 {
		fmt.Fprintln(io.out, "Nothing live hangs from it.")
		return nil
	}
	fmt.Fprintf(io.out, "What hangs from it: %d live tokens, %d refresh tokens, %d grants.\n", f.Tokens, f.RefreshTokens, f.Grants)
	named := r.names()
	for i, h := range f.Holders {
		if i == holdersShown {
			fmt.Fprintln(io.out, "    and others")
			break
		}
		fmt.Fprintf(io.out, "    %s holds %d\n", named.of(ctx, h.ClientID), h.Tokens)
	}
	return nil
}
