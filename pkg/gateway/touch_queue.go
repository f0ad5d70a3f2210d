package gateway

// touchQueue is a heap of what is due first.
type touchQueue []*activity

// Len, Less, Swap, Push and Pop make the queue a heap.
func (q *touchQueue) Len() int           { return len(*q) }
func (q *touchQueue) Less(i, j int) bool { return (*q)[i].due.Before((*q)[j].due) }
func (q *touchQueue) Swap(i, j int)      { (*q)[i], (*q)[j] = (*q)[j], (*q)[i] }
func (q *touchQueue) Push(x any)         { *q = append(*q, x.(*activity)) } //nolint:forcetypeassert // nothing else is pushed
func (q *touchQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
