package bundles

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/deputyauth/deputy/policies"
)

// What a question holds of people: what they granted, agreed to, and are asked.

func authorizationTerm(a *policies.Authorization) *ast.Term {
	pairs := [][2]*ast.Term{
		pair("id", ast.StringTerm(a.ID)), pair("kind", ast.StringTerm(a.Kind)), pair("client", ast.StringTerm(a.Client)), pair("subject", ast.StringTerm(a.Subject)),
		pair("resources", stringsTerm(a.Resources)), pair("scopes", reachTerm(a.Scopes)),
		pair("redirect_ok", ast.BooleanTerm(a.RedirectOK)), pair("pkce", ast.StringTerm(a.PKCE)),
		pair("expires_at", numberTerm(a.ExpiresAt)), pair("ends_at", numberTerm(a.EndsAt)),
		pair("revoked", ast.BooleanTerm(a.Revoked)), pair("used", ast.BooleanTerm(a.Used)),
		pair("auth_time", numberTerm(a.AuthTime)), pair("acr", ast.StringTerm(a.ACR)), pair("amr", stringsTerm(a.AMR)),
	}
	if len(a.Details) > 0 {
		pairs = append(pairs, pair("details", objectTerm(a.Details, detailsTerm)))
	}
	if a.Nonce != "" {
		pairs = append(pairs, pair("nonce", ast.StringTerm(a.Nonce)))
	}
	return ast.ObjectTerm(pairs...)
}

func reachTerm(reach map[string]map[string][]string) *ast.Term {
	return objectTerm(reach, func(scopes map[string][]string) *ast.Term { return objectTerm(scopes, stringsTerm) })
}

func consentTerm(c *policies.Consent) *ast.Term {
	pairs := append(make([][2]*ast.Term, 0, 11),
		pair("id", ast.StringTerm(c.ID)), pair("client", ast.StringTerm(c.Client)), pair("subject", ast.StringTerm(c.Subject)),
		pair("resource", ast.StringTerm(c.Resource)), pair("scopes", objectTerm(c.Scopes, ast.BooleanTerm)),
		pair("expires_at", numberTerm(c.ExpiresAt)), pair("revoked", ast.BooleanTerm(c.Revoked)),
		pair("redirects_ok", ast.BooleanTerm(c.RedirectsOK)), pair("approval", ast.StringTerm(c.Approval)), pair("reach", reachTerm(c.Reach)),
	)
	if len(c.Details) > 0 {
		pairs = append(pairs, pair("details", detailsTerm(c.Details)))
	}
	return ast.ObjectTerm(pairs...)
}

func approvalTerm(a *policies.Approval) *ast.Term {
	pairs := append(make([][2]*ast.Term, 0, 15),
		pair("id", ast.StringTerm(a.ID)), pair("kind", ast.StringTerm(a.Kind)), pair("client", ast.StringTerm(a.Client)), pair("subject", ast.StringTerm(a.Subject)),
		pair("state", ast.StringTerm(a.State)), pair("delivery", ast.StringTerm(a.Delivery)), pair("acr_values", stringsTerm(a.ACRValues)),
		pair("created_at", numberTerm(a.CreatedAt)), pair("expires_at", numberTerm(a.ExpiresAt)),
	)
	if a.GrantType != "" {
		pairs = append(pairs, pair("grant_type", ast.StringTerm(a.GrantType)))
	}
	if a.Parent != "" {
		pairs = append(pairs, pair("parent", ast.StringTerm(a.Parent)))
	}
	if by := a.Approver; by != nil {
		pairs = append(pairs, pair("approver", ast.ObjectTerm(
			pair("known", ast.StringTerm(by.Known)), pair("status", ast.StringTerm(by.Status)), pair("expires_at", numberTerm(by.ExpiresAt)),
		)))
	}
	if len(a.Scopes) > 0 {
		pairs = append(pairs, pair("scopes", objectTerm(a.Scopes, stringsTerm)))
	}
	if len(a.Details) > 0 {
		pairs = append(pairs, pair("details", objectTerm(a.Details, detailsTerm)))
	}
	if a.Until != 0 {
		pairs = append(pairs, pair("until", numberTerm(a.Until)))
	}
	return ast.ObjectTerm(pairs...)
}

func acquaintanceTerm(a *policies.Acquaintance) *ast.Term {
	return ast.ObjectTerm(
		pair("known", ast.StringTerm(a.Known)), pair("reached", ast.BooleanTerm(a.Reached)), pair("user_code", ast.StringTerm(a.UserCode)),
		pair("waiting", numberTerm(a.Waiting)), pair("pending", numberTerm(a.Pending)), pair("asked", numberTerm(a.Asked)),
		pair("denials", numberTerm(a.Denials)), pair("denied_at", numberTerm(a.DeniedAt)), pair("reported_at", numberTerm(a.ReportedAt)),
	)
}

func answerTerm(a *policies.Answer) *ast.Term {
	pairs := [][2]*ast.Term{
		pair("scopes", arrayTerm(a.Scopes, func(g policies.Grants) *ast.Term {
			return ast.ObjectTerm(pair("resource", ast.StringTerm(g.Resource)), pair("scope", ast.StringTerm(g.Scope)))
		})),
		pair("until", numberTerm(a.Until)),
	}
	if len(a.Details) > 0 {
		pairs = append(pairs, pair("details", arrayTerm(a.Details, func(g policies.GrantedDetail) *ast.Term {
			return ast.ObjectTerm(pair("resource", ast.StringTerm(g.Resource)), pair("index", numberTerm(int64(g.Index))))
		})))
	}
	return ast.ObjectTerm(pairs...)
}

func visitTerm(v *policies.Visit) *ast.Term {
	pairs := [][2]*ast.Term{
		pair("redirect_ok", ast.BooleanTerm(v.RedirectOK)), pair("pkce", ast.StringTerm(v.PKCE)), pair("prompt", stringsTerm(v.Prompt)),
		pair("acr_values", stringsTerm(v.ACRValues)), pair("began", numberTerm(v.Began)),
	}
	if v.MaxAge != nil {
		pairs = append(pairs, pair("max_age", numberTerm(*v.MaxAge)))
	}
	if v.Subject != "" {
		pairs = append(pairs, pair("subject", ast.StringTerm(v.Subject)))
	}
	return ast.ObjectTerm(pairs...)
}

// arrayTerm is null for a list that is absent, as in the recorded document.
func arrayTerm[T any](list []T, of func(T) *ast.Term) *ast.Term {
	if list == nil {
		return ast.NullTerm()
	}
	out := make([]*ast.Term, len(list))
	for i, v := range list {
		out[i] = of(v)
	}
	return ast.ArrayTerm(out...)
}
