package resolver

import (
	"time"

	"github.com/miekg/dns"
)

// cacheSize bounds the answers kept. The box knows a few dozen names; the
// bound is against names that come from outside.
const cacheSize = 1024

// cache keeps answers until they expire. Its zero value is empty.
type cache struct {
	entries map[dns.Question]entry
}

type entry struct {
	answer  answer
	expires time.Time
}

func (c *cache) get(question dns.Question, now time.Time) (answer, bool) {
	found, ok := c.entries[question]
	if !ok || !now.Before(found.expires) {
		return answer{}, false
	}
	return found.answer, true
}

// put keeps an answer for its ttl. When the cache is full, expired answers
// make room, or else any one does.
func (c *cache) put(question dns.Question, a answer, now time.Time) {
	if a.ttl <= 0 {
		return
	}
	if c.entries == nil {
		c.entries = map[dns.Question]entry{}
	}
	if len(c.entries) >= cacheSize {
		for key, old := range c.entries {
			if !now.Before(old.expires) {
				delete(c.entries, key)
			}
		}
	}
	for key := range c.entries {
		if len(c.entries) < cacheSize {
			break
		}
		delete(c.entries, key)
	}
	c.entries[question] = entry{a, now.Add(a.ttl)}
}
