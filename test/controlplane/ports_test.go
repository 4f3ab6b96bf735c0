package controlplane

import "testing"

// Nobody is given a port that another one in the process was given and does not listen on yet.
func TestAPortIsGivenOnce(t *testing.T) {
	few := PortRange{14990, 15000}
	seen := map[string]bool{}
	for {
		address, err := few.FreeAddress()
		if err != nil {
			break // all are given
		}
		if seen[address] {
			t.Fatalf("%s was given twice", address)
		}
		seen[address] = true
	}
	if len(seen) < 2 {
		t.Errorf("%d ports of %v were free", len(seen), few)
	}
}
