package oauth

// Metadata is the authorization server's description of itself: RFC 8414, and
// the same document as OpenID Connect Discovery reads it. Nothing in it is ever
// null: what does not apply is left out.
type Metadata struct {
	Issuer                            string   `json:"issuer"`
	AuthorizationEndpoint             string   `json:"authorization_endpoint"`
	PushedEndpoint                    string   `json:"pushed_authorization_request_endpoint"`
	TokenEndpoint                     string   `json:"token_endpoint"`
	JWKSURI                           string   `json:"jwks_uri"`
	IntrospectionEndpoint             string   `json:"introspection_endpoint"`
	RevocationEndpoint                string   `json:"revocation_endpoint"`
	GrantTypesSupported               []string `json:"grant_types_supported"`
	ResponseTypesSupported            []string `json:"response_types_supported"`
	ResponseModesSupported            []string `json:"response_modes_supported"`
	CodeChallengeMethodsSupported     []string `json:"code_challenge_methods_supported"`
	IssInResponse                     bool     `json:"authorization_response_iss_parameter_supported"`
	PromptValuesSupported             []string `json:"prompt_values_supported"`
	ACRValuesSupported                []string `json:"acr_values_supported"`
	TokenEndpointAuthMethods          []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAuthSigningAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpointAuthMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionEndpointAuthSignAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpointAuthMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationEndpointAuthSigningAlgs []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	OpenIDMetadata
	// DetailTypes are those of any resource server (RFC 9396 section 10).
	DetailTypes []string `json:"authorization_details_types_supported,omitempty"`
	BackchannelMetadata
	ServiceDocumentation string `json:"service_documentation,omitempty"`
	// EventsEndpoint is where services follow what ends and changes (docs/events.md). No
	// standard has a name for it.
	EventsEndpoint string `json:"events_endpoint"`
}

// BackchannelMetadata says how to ask somebody who is elsewhere: CIBA Core section 4
// and RFC 8628 section 4.
type BackchannelMetadata struct {
	BackchannelEndpoint string   `json:"backchannel_authentication_endpoint"`
	DeliveryModes       []string `json:"backchannel_token_delivery_modes_supported"`
	UserCodes           bool     `json:"backchannel_user_code_parameter_supported"`
	RequestSigningAlgs  []string `json:"backchannel_authentication_request_signing_alg_values_supported"`
	DeviceEndpoint      string   `json:"device_authorization_endpoint"`
}

// AssertionAlgs are the algorithms a client may sign an assertion with: only
// asymmetric ones, and none that is not pinned by its registered key.
func AssertionAlgs() []string {
	return []string{"ES256", "ES384", "EdDSA", "RS256", "PS256"}
}

// NewMetadata describes a server at issuer (no trailing slash). openID adds the
// fields OpenID Connect Discovery requires.
func NewMetadata(issuer string, openID bool) Metadata {
	m := Metadata{
		Issuer: issuer, TokenEndpoint: issuer + "/oauth2/token", JWKSURI: issuer + "/oauth2/jwks",
		EventsEndpoint: issuer + "/events", IntrospectionEndpoint: issuer + "/oauth2/introspect", RevocationEndpoint: issuer + "/oauth2/revoke",
		GrantTypesSupported:    GrantTypes(),
		AuthorizationEndpoint:  issuer + "/oauth2/authorize",
		PushedEndpoint:         issuer + "/oauth2/par",
		ResponseTypesSupported: []string{"code"}, ResponseModesSupported: []string{"query"}, CodeChallengeMethodsSupported: []string{"S256"},
		IssInResponse: true, PromptValuesSupported: prompts, ACRValuesSupported: []string{"1", "2"},
		TokenEndpointAuthMethods: append(AuthMethods(), None), TokenEndpointAuthSigningAlgs: AssertionAlgs(),
		IntrospectionEndpointAuthMethods: AuthMethods(), IntrospectionEndpointAuthSignAlgs: AssertionAlgs(),
		RevocationEndpointAuthMethods: append(AuthMethods(), None), RevocationEndpointAuthSigningAlgs: AssertionAlgs(),
	}
	m.BackchannelMetadata = BackchannelMetadata{
		BackchannelEndpoint: issuer + "/oauth2/bc-authorize", DeliveryModes: []string{"poll", "ping", "push"}, UserCodes: true, RequestSigningAlgs: AssertionAlgs(),
		DeviceEndpoint: issuer + "/oauth2/device_authorization",
	}
	if openID {
		m.describeOpenID()
	}
	return m
}

// ResourceMetadata describes a protected resource (RFC 9728).
type ResourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	JWKSURI              string   `json:"jwks_uri,omitempty"`
	ScopesSupported      []string `json:"scopes_supported"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	ResourceName         string   `json:"resource_name"`
}
