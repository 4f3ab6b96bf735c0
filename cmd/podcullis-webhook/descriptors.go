package main

// socketsWithin is how many callers may be connected, where so many files may be open; 0
// stands for the server's own bound. Half is left for everything else: a server that has
// used up its descriptors can neither push out a silent caller, nor ask the API server, nor
// read a new certificate.
func socketsWithin(descriptors uint64) int {
	const enough, fewest = 4096, 8
	if descriptors == 0 || descriptors >= enough {
		return 0
	}
	return max(fewest, min(512, int(descriptors/2))) //nolint:gosec // it is below 4096
}
