package sip

import "causeway/appliance/model"

// callsOf is what the shard counts of an adjacency. Only the first call of each
// takes memory. nil stands for one that nothing is known of: it was found in an
// earlier life of the process.
func (s *shard) callsOf(a *model.Adjacency) *model.AdjacencyTraffic {
	name := adjacencyName(a)
	t := s.adjacencies[name]
	if t == nil {
		t = new(model.AdjacencyTraffic)
		s.adjacencies[name] = t
	}
	return t
}

func adjacencyName(a *model.Adjacency) string {
	if a == nil {
		return ""
	}
	return a.Name
}

// adjacencyCalls are the calls of all adjacencies that had some, by name.
func (p *Proxy) adjacencyCalls() map[string]*model.AdjacencyTraffic {
	all := make(map[string]*model.AdjacencyTraffic)
	of := func(name string) *model.AdjacencyTraffic {
		if all[name] == nil {
			all[name] = new(model.AdjacencyTraffic)
		}
		return all[name]
	}
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for name, t := range s.adjacencies {
			of(name).Add(t)
		}
		for _, c := range s.calls {
			of(adjacencyName(c.in.adjacency)).In.Open++
			of(adjacencyName(c.out.adjacency)).Out.Open++
		}
		s.mu.Unlock()
	}
	delete(all, "")
	return all
}
