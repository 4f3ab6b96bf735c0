package ledger

// View is the ledger as a replica knows it at one moment. A judgement is made of a view
// and of a snapshot that was taken after it.
type View struct {
	// Entries are in flight, in the order of their writes; those at the end may be about
	// to be written by this replica. What this replica has seen happen is left out.
	Entries []Entry
	// Sequence is that of the document.
	Sequence uint64
	// Again is set when Commit asks to judge once more, because entries came. Then only
	// the pairs of the change's own namespace with Namespaces have to be judged.
	Again      bool
	Namespaces []string

	stamp stamp
}

// Outcome is what a quorum read says about the object of an entry.
type Outcome struct {
	// Found, with the rest, is the object of that name, whatever its uid.
	Found           bool
	UID             string
	ResourceVersion string
	Terminating     bool
	// Bound is set for a pod that has a node.
	Bound bool
	// ReadVersion is the resourceVersion of the read itself, of the list by the
	// object's name. A deletion that nobody saw is freed by no other.
	ReadVersion string
}
