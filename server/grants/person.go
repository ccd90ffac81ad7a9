package grants

// Person is somebody at a page, who has signed in. Nobody is nil.
type Person struct {
	UserID    string
	SessionID string
	AuthTime  int64    // when they last proved who they are, unix seconds
	ACR       string   // how strongly
	AMR       []string // by what (RFC 8176)
}
