package sqlite

// ListOnly keeps a store from taking stretches of an index as batches, which it prefers for few sessions.
func ListOnly(s *Store) { s.listOnly = true }
