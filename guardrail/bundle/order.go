package bundle

// Follows refuses a bundle that is, or may be, older than the one in force: whoever can put an
// archive where servers fetch it has all that were ever signed, and would bring back the one with the hole.
//
// Bundles are ordered by metadata.podcullis.serial of the manifest, and without one by the
// time in the signature. One that has no place in that order never replaces one that has, and
// the first that has a serial is not one that was signed before. The same files are never older
// than themselves; whether they count as signed again is for SignedAgain.
func (b *Bundle) Follows(inForce *Bundle) error {
	if inForce == nil || b.Digest == inForce.Digest {
		return nil
	}
	now, was := b.Manifest, inForce.Manifest
	switch {
	case now.HasSerial && was.HasSerial && now.Serial < was.Serial:
		return Refuse(Older, "serial %d is lower than %d, which is in force (revision %s)", now.Serial, was.Serial, inForce.Revision())
	case now.HasSerial && was.HasSerial && now.Serial == was.Serial:
		return Refuse(Older, "serial %d is in force already, with other files (revision %s): give the newer bundle a higher one", now.Serial, inForce.Revision())
	case was.HasSerial && !now.HasSerial:
		return Refuse(Older, "the bundle has no serial (metadata.podcullis.serial), and the one in force has %d", was.Serial)
	case now.HasSerial && b.timed() && inForce.timed() && b.Signature.Signed.Before(inForce.Signature.Signed) && !was.HasSerial:
		return Refuse(Older, "the bundle was signed %s, and the one in force, which has no serial, %s (revision %s): sign it again", stamp(b), stamp(inForce), inForce.Revision())
	case now.HasSerial || !inForce.timed():
		return nil
	case !b.timed():
		return Refuse(Older, "the bundle has no serial (metadata.podcullis.serial) and its signature no time, and the one in force was signed %s", stamp(inForce))
	case !b.Signature.Signed.After(inForce.Signature.Signed):
		return Refuse(Older, "the bundle was signed %s, and the one in force, with other files, %s (revision %s)", stamp(b), stamp(inForce), inForce.Revision())
	}
	return nil
}

// SignedAgain tells whether a signature of the same files may take the place of the one in
// force: that is how keys are changed. One with an earlier time, or with none where there is one,
// would put the clock back, and let in what was signed in between.
func (b *Bundle) SignedAgain(inForce *Bundle) bool {
	return !inForce.timed() || b.timed() && !b.Signature.Signed.Before(inForce.Signature.Signed)
}

// Ordered tells whether an older bundle could be told from this one.
func (b *Bundle) Ordered() bool { return b.Manifest.HasSerial || b.timed() }

// timed tells whether it is proved when it was signed.
func (b *Bundle) timed() bool {
	return b.Verified && b.Signature != nil && !b.Signature.Signed.IsZero()
}

func stamp(b *Bundle) string { return b.Signature.Signed.Format("2006-01-02T15:04:05Z") }
