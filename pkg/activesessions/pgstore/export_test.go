package pgstore

// SearchNearby makes the store answer filters in every way that it has, on lists
// of a few dozen users.
func (s *Store) SearchNearby() { s.searches = []searching{{walk: 12, matches: 5}, {walk: 25}} }
