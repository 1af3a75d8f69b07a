package jsonobject

// Merge returns theirs with the changes between base and ours made to it: of two
// changes of one key, ours counts. The members come in the order of theirs, then those
// that only ours has. A value has changed if its text has.
func Merge(base, ours, theirs *Object) Object {
	var merged Object
	for _, m := range theirs.members {
		if m.isHole() {
			continue
		}
		before, _ := base.Find(m.key)
		now, kept := ours.Find(m.key)
		switch {
		case now == before: // we left it, or had none
		case !kept: // we deleted it
			continue
		default:
			m.value = now
		}
		merged.add(m)
	}
	for _, m := range ours.members {
		if m.isHole() {
			continue
		}
		if _, theirsToo := theirs.Find(m.key); theirsToo {
			continue
		}
		if before, _ := base.Find(m.key); m.value != before {
			merged.add(m)
		}
	}
	return merged
}
