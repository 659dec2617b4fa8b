package licensed

import (
	"net/http"

	"causeway/appliance/license/ela"
)

// refusal is why a request is not done.
type refusal struct {
	problem string // type of ela.Problem
	detail  string
}

func (r *refusal) Error() string { return r.problem + ": " + r.detail }

// refuse makes a refusal.
func refuse(problem, detail string) error { return &refusal{problem, detail} }

// problems are the HTTP status and the title of each type of problem.
var problems = map[string]struct {
	status int
	title  string
}{
	ela.BadToken:        {http.StatusForbidden, "The token is not valid"},
	ela.TokenExpired:    {http.StatusForbidden, "The token has expired"},
	ela.BadNonce:        {http.StatusBadRequest, "The nonce is not one that was given out, or was used"},
	ela.BadSeq:          {http.StatusConflict, "The sequence number was used"},
	ela.BadRequest:      {http.StatusBadRequest, "The request cannot be understood"},
	ela.BadSignature:    {http.StatusForbidden, "The signature is not that of the instance"},
	ela.BadCSR:          {http.StatusBadRequest, "The certificate signing request cannot be fulfilled"},
	ela.UnknownInstance: {http.StatusNotFound, "The product instance is not registered"},
	ela.Revoked:         {http.StatusForbidden, "The product instance was revoked"},
	ela.RateLimited:     {http.StatusTooManyRequests, "There are too many requests"},
	ela.ServerFault:     {http.StatusInternalServerError, "The server has failed"},
}
