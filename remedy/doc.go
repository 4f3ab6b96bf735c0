// Package remedy looks for the smallest edit under which a change that was denied
// is denied no more: one for all that was found against it, tried on the model with
// the guardrails in force, with what it costs.
package remedy
