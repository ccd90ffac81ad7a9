package oauth

// OpenIDMetadata are the fields of OpenID Connect Discovery 1.0 section 3 that are
// its own.
type OpenIDMetadata struct {
	UserinfoEndpoint      string   `json:"userinfo_endpoint,omitempty"`
	EndSessionEndpoint    string   `json:"end_session_endpoint,omitempty"`
	BackchannelLogout     bool     `json:"backchannel_logout_supported,omitempty"`
	BackchannelSession    bool     `json:"backchannel_logout_session_supported,omitempty"`
	ScopesSupported       []string `json:"scopes_supported,omitempty"`
	SubjectTypesSupported []string `json:"subject_types_supported,omitempty"`
	IDTokenSigningAlgs    []string `json:"id_token_signing_alg_values_supported,omitempty"`
	ClaimTypesSupported   []string `json:"claim_types_supported,omitempty"`
	ClaimsSupported       []string `json:"claims_supported,omitempty"`
	UILocalesSupported    []string `json:"ui_locales_supported,omitempty"`
	// What is true unless it is said not to be (section 3).
	RequestURIParameter *bool `json:"request_uri_parameter_supported,omitempty"`
}

// OpenIDScopes are the scopes by which a client learns who a user is. Not among
// them is offline_access: clients that see it listed ask for it, and for consent.
func OpenIDScopes() []string { return []string{"openid", "profile", "email", "groups"} }

func (m *Metadata) describeOpenID() {
	m.OpenIDMetadata = OpenIDMetadata{
		UserinfoEndpoint: m.Issuer + "/oauth2/userinfo", EndSessionEndpoint: m.Issuer + "/oauth2/logout", BackchannelLogout: true, BackchannelSession: true, ScopesSupported: OpenIDScopes(),
		SubjectTypesSupported: []string{"public"}, IDTokenSigningAlgs: []string{"ES256"}, ClaimTypesSupported: []string{"normal"},
		ClaimsSupported: []string{
			"sub", "iss", "aud", "exp", "iat", "jti", "auth_time", "acr", "amr", "nonce", "sid", "at_hash",
			"name", "preferred_username", "updated_at", "email", "email_verified", "groups",
		},
		UILocalesSupported: []string{"en", "de"}, RequestURIParameter: new(false),
	}
}
