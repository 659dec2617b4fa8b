package resolver

import (
	"time"

	"github.com/miekg/dns"
)

// Bounds of the cache. The box knows a few dozen names; the bounds are against
// names that come from outside.
const (
	cacheSize   = 1024
	cacheOctets = 1 << 20 // on the wire; the records in memory take some six times that
)

// How long an answer serves whose time is over (RFC 8767 §5).
const (
	longestStale = 24 * time.Hour   // while nobody gives a new one
	staleTTL     = 30 * time.Second // is what is said of it
	staleRetry   = 30 * time.Second // after a vain try for a new one
)

// failureTTL is how long a question without an answer is not asked again, so
// that who insists costs the servers little (RFC 9520 §3.2).
const failureTTL = time.Second

// cache keeps what questions came to. Its zero value is empty.
type cache struct {
	entries map[dns.Question]*entry // by the name in canonical form
	octets  int
}

// entry is what one question came to.
type entry struct {
	answer  answer // nothing, when err is set
	stored  time.Time
	expires time.Time // then the answer is stale
	retry   time.Time // until then nobody is asked again, after a vain try
	err     error     // there was never an answer
}

// usable reports whether the answer may be given, be it stale.
func (e *entry) usable(now time.Time) bool {
	return e != nil && e.err == nil && now.Before(e.expires.Add(longestStale))
}

// fresh reports whether the answer need not be asked for again.
func (e *entry) fresh(now time.Time) bool {
	return e != nil && e.err == nil && now.Before(e.expires)
}

// find gives what is kept of the question; nil if nothing is.
func (c *cache) find(question dns.Question) *entry { return c.entries[question] }

// put keeps an answer for its TTL, in the place of an older one.
func (c *cache) put(question dns.Question, a answer, now time.Time) {
	c.remove(question)
	if a.ttl > 0 {
		c.add(question, &entry{answer: a, stored: now, expires: now.Add(a.ttl)})
	}
}

// fail notes that the question had no answer. One that is kept stays.
func (c *cache) fail(question dns.Question, err error, now time.Time) {
	if e := c.find(question); e.usable(now) {
		e.retry = now.Add(staleRetry)
		return
	}
	c.remove(question)
	c.add(question, &entry{stored: now, expires: now, retry: now.Add(failureTTL), err: err})
}

// add makes room for an entry and adds it. Those whose time ends first go.
func (c *cache) add(question dns.Question, e *entry) {
	if c.entries == nil {
		c.entries = map[dns.Question]*entry{}
	}
	for len(c.entries) > 0 && (len(c.entries) >= cacheSize || c.octets+e.answer.octets > cacheOctets) {
		var first dns.Question
		var found *entry
		for key, old := range c.entries {
			if found == nil || old.expires.Before(found.expires) {
				first, found = key, old
			}
		}
		c.remove(first)
	}
	c.entries[question] = e
	c.octets += e.answer.octets
}

func (c *cache) remove(question dns.Question) {
	if e := c.entries[question]; e != nil {
		c.octets -= e.answer.octets
		delete(c.entries, question)
	}
}

// expire makes all answers stale: they are asked for again, and serve while
// that is in vain. Failures are forgotten.
func (c *cache) expire(now time.Time) {
	for question, e := range c.entries {
		if e.err != nil {
			c.remove(question)
			continue
		}
		e.retry = time.Time{}
		if now.Before(e.expires) {
			e.expires = now
		}
	}
}
