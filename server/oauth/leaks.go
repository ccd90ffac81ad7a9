package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
)

// maxLeaks bounds the findings in one report.
const maxLeaks = 100

// Leak is a secret that was found where it should not be, as scanners report it: the
// form is that of GitHub's secret scanning partner program, which others send as well.
// Its members url and source are read by nobody here.
type Leak struct {
	Token string `json:"token"`
	Type  string `json:"type"`
}

// LeakVerdict tells a scanner what became of a finding.
type LeakVerdict struct {
	Hash  string `json:"token_hash"` // SHA-256, in base64
	Type  string `json:"token_type"`
	Label string `json:"label"`
}

// Labels of findings.
const (
	LeakWasLive = "true_positive"  // it opened something, and does no longer
	LeakIsDead  = "false_positive" // it opens nothing
)

// ParseLeaks reads a report: a JSON array of findings.
func ParseLeaks(r *http.Request) ([]Leak, *Error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, Errorf(InvalidRequest, "The body must be application/json.").Named("content_type")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if err != nil {
		return nil, Errorf(InvalidRequest, "The body could not be read, or is larger than %d bytes.", MaxBody).Because(err).Named("too_large")
	}
	var found []Leak
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&found); err != nil {
		return nil, Errorf(InvalidRequest, "The body must be a JSON array of objects with token and type.").Named("unreadable")
	}
	if len(found) > maxLeaks {
		return nil, Errorf(InvalidRequest, "More than %d findings in one report.", maxLeaks).Named("too_large")
	}
	return found, nil
}
