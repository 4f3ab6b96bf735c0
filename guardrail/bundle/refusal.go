package bundle

import (
	"errors"
	"fmt"
)

// Reason says in one word why a bundle is not taken; metrics have it as a label.
type Reason string

// The reasons.
const (
	// Unreachable is where the bundle could not be asked for.
	Unreachable Reason = "unreachable"
	// Slow is one that did not come on.
	Slow Reason = "slow"
	// TooLarge is one with more bytes or files than is taken.
	TooLarge Reason = "too_large"
	// Broken is no archive, a part of one, or one with what is no plain file.
	Broken Reason = "broken"
	// Unsigned has no signature.
	Unsigned Reason = "unsigned"
	// Key is signed by a key that is not among those that are trusted.
	Key Reason = "key"
	// BadSignature has one that does not hold, or that proves nothing.
	BadSignature Reason = "signature"
	// Scope is signed for something else.
	Scope Reason = "scope"
	// Tampered has a file that is not as it was signed, that nobody signed, or that is not there.
	Tampered Reason = "tampered"
	// BadManifest claims, or holds, what is no guardrail.
	BadManifest Reason = "manifest"
	// Older is one that was in force before, or may have been.
	Older Reason = "older"
	// Invalid has a configuration or Rego that does not load.
	Invalid Reason = "invalid"
	// Restart is one that a running server cannot change to.
	Restart Reason = "restart"
	// Storage is that the last good one could not be kept, or read.
	Storage Reason = "storage"
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{Unreachable, Slow, TooLarge, Broken, Unsigned, Key, BadSignature, Scope, Tampered, BadManifest, Older, Invalid, Restart, Storage}
}

// Refusal is why a bundle is not taken.
type Refusal struct {
	Reason Reason
	Err    error
}

func (r *Refusal) Error() string { return r.Err.Error() }

func (r *Refusal) Unwrap() error { return r.Err }

// Refuse makes a Refusal.
func Refuse(why Reason, format string, args ...any) error {
	return &Refusal{Reason: why, Err: fmt.Errorf(format, args...)}
}

// ReasonOf is the reason of an error, and Invalid where it has none.
func ReasonOf(err error) Reason {
	if r := (&Refusal{}); errors.As(err, &r) {
		return r.Reason
	}
	return Invalid
}
