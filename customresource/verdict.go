package customresource

import (
	"fmt"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
)

// Verdict is what is said of one object.
type Verdict struct {
	// Generation is that of the object, InForce the one that is in force; 0 for none.
	Generation, InForce int64
	Loaded, Ready       Condition
	// Approved is of exemptions only.
	Approved Condition
}

func (v Verdict) expired(day string) Verdict {
	v.Ready, v.InForce = no(ReasonExpired, "spec.expires: %s is over, and nothing is exempt any more", day), 0
	return v
}

// Condition is one of the conditions in a status.
type Condition struct {
	True            bool
	Reason, Message string
}

// The reasons.
const (
	ReasonValid        = "Valid"
	ReasonInvalid      = "Invalid"
	ReasonInForce      = "InForce"
	ReasonOlderInForce = "OlderInForce"
	ReasonNameTaken    = "NameTaken"
	ReasonTooMany      = "TooMany"
	ReasonApproved     = "Approved"
	ReasonNotApproved  = "NotApproved"
	ReasonChangedSince = "ChangedSinceApproval"
	ReasonOwnApproval  = "ApprovedByRequester"
	ReasonExpired      = "Expired"
	ReasonUnconfirmed  = "Unconfirmed"
)

func yes(reason, format string, args ...any) Condition {
	return Condition{True: true, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func no(reason, format string, args ...any) Condition {
	return Condition{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func loaded(faults []guardrail.FieldFault) Condition {
	if len(faults) > 0 {
		return no(ReasonInvalid, "%s", list(faults))
	}
	return yes(ReasonValid, "")
}

// maxMessage is how long a message may be: a status is read by people, and the API bounds it.
const maxMessage = 4096

// list has the faults in one text.
func list(faults []guardrail.FieldFault) string {
	texts := make([]string, 0, len(faults))
	for _, f := range faults {
		texts = append(texts, f.Error())
	}
	return guardrail.Cut(strings.Join(texts, "; "), maxMessage)
}
