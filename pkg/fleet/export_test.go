package fleet

// Waiting returns how many calls of Wait are going on.
func (t *Tracker) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waits)
}
