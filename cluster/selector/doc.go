// Package selector is label selectors: [Selector.Matches] answers Yes, No or, of one that does
// not parse or asks for labels which pods are yet to get, Maybe; [Search.Satisfy] looks for
// labels that satisfy several at once; [Index] finds the label sets that one selects.
//
// It knows labels and no objects: of other modules it imports apimachinery and sets of bits,
// of ours nothing (imports_test.go holds this).
package selector
