package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// tableName names the box's table of family inet.
const tableName = "causeway"

// Netlink is the Kernel of this machine, through nf_tables. It needs
// CAP_NET_ADMIN.
type Netlink struct {
	// Namespace is the descriptor of a network namespace; 0: that of the
	// process.
	Namespace int
}

// Bounds of one exchange with the kernel.
const (
	answerLimit = 5 * time.Second // it answers at once or, lacking a module, not at all
	bufferSize  = 8 << 20         // octets: a whole table in one message, and its echo
	chunkSize   = 500             // elements in one message; its attributes end at 64 KiB
)

func (n Netlink) open() (*nftables.Conn, error) {
	return nftables.New(nftables.WithNetNSFd(n.Namespace), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetDeadline(time.Now().Add(answerLimit)), c.SetReadBuffer(bufferSize), c.SetWriteBuffer(bufferSize))
	}))
}

// table makes a table value: nftables fills in some of what it is given.
func table() *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
}

// hooks are the kernel's words for a Hook.
var hooks = [...]struct {
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
}{
	RawIn:     {nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw},
	RawOut:    {nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityRaw},
	Input:     {nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter},
	Forward:   {nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter},
	SourceNAT: {nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource},
}

func (c Chain) native(table *nftables.Table) *nftables.Chain {
	native := &nftables.Chain{Name: c.Name, Table: table}
	if c.Hook != NoHook {
		policy := nftables.ChainPolicyAccept
		if c.Drop {
			policy = nftables.ChainPolicyDrop
		}
		h := hooks[c.Hook]
		native.Type, native.Hooknum, native.Priority, native.Policy = h.kind, h.hook, h.priority, &policy
	}
	return native
}

func (r Rule) comment() []byte { return userdata.AppendString(nil, userdata.TypeComment, r.What) }

// Replace makes the ruleset the whole of the table, all or nothing, and with
// no moment between the old and the new. The counters begin at zero.
func (n Netlink) Replace(r Ruleset) error {
	c, err := n.open()
	if err != nil {
		return err
	}
	t := table()
	c.AddTable(t) // so that there is one to delete
	c.DelTable(t)
	c.AddTable(t)
	for _, set := range r.Sets {
		native := &nftables.Set{
			Table: t, Name: set.Name, KeyType: keyType(set.Key), Concatenation: len(set.Key) > 1, Counter: set.Counted,
		}
		if err := c.AddSet(native, nil); err != nil {
			return fmt.Errorf("add set %s: %w", set.Name, err)
		}
		for chunk := range slices.Chunk(set.Elements, chunkSize) {
			elements := make([]nftables.SetElement, len(chunk))
			for i, e := range chunk {
				elements[i].Key = keyData(set.Key, e)
			}
			if err := c.SetAddElements(native, elements); err != nil {
				return fmt.Errorf("add elements to set %s: %w", set.Name, err)
			}
		}
	}
	chains := make([]*nftables.Chain, len(r.Chains))
	for i, chain := range r.Chains { // all before the first rule, which may go to any
		chains[i] = c.AddChain(chain.native(t))
	}
	for i, chain := range r.Chains {
		for _, rule := range chain.Rules {
			c.AddRule(&nftables.Rule{Table: t, Chain: chains[i], Exprs: rule.expressions(), UserData: rule.comment()})
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", firstOf(err))
	}
	return nil
}

// firstOf gives the first of joined errors: the kernel has one for each rule
// that lacks the same module.
func firstOf(err error) error {
	var joined interface{ Unwrap() []error }
	for errors.As(err, &joined) {
		err = joined.Unwrap()[0]
	}
	return err
}

// Compare says what is first found in the table to differ from the ruleset,
// empty if nothing does, and what the table has counted.
func (n Netlink) Compare(r Ruleset) (difference string, counted Counters, err error) {
	c, err := n.open()
	if err != nil {
		return "", nil, err
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return "", nil, fmt.Errorf("read chains: %w", err)
	}
	chains = slices.DeleteFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name != tableName })
	switch {
	case len(chains) == 0 && len(r.Chains) == 0: // sets that nobody asks do nothing
		return "", nil, nil
	case len(chains) == 0:
		return "there is no table", nil, nil
	}
	counted = Counters{}
	for _, want := range r.Chains {
		i := slices.IndexFunc(chains, func(have *nftables.Chain) bool { return have.Name == want.Name })
		if i < 0 || !sameChain(chains[i], want.native(table())) {
			return "chain " + want.Name, counted, nil
		}
		difference, err := compareRules(c, want, counted)
		if difference != "" || err != nil {
			return difference, counted, err
		}
	}
	if len(chains) > len(r.Chains) {
		return "a foreign chain", counted, nil
	}
	difference, err = compareSets(c, r.Sets, counted)
	return difference, counted, err
}

func sameChain(a, b *nftables.Chain) bool {
	return a.Type == b.Type && reflect.DeepEqual(a.Hooknum, b.Hooknum) &&
		reflect.DeepEqual(a.Priority, b.Priority) && reflect.DeepEqual(a.Policy, b.Policy)
}

func compareRules(c *nftables.Conn, want Chain, counted Counters) (difference string, err error) {
	have, err := c.GetRules(table(), want.native(table()))
	if err != nil {
		return "", fmt.Errorf("read the rules of chain %s: %w", want.Name, err)
	}
	if len(have) != len(want.Rules) {
		return fmt.Sprintf("chain %s has %d rules", want.Name, len(have)), nil
	}
	for i, rule := range want.Rules {
		for _, expression := range have[i].Exprs {
			if counter, ok := expression.(*expr.Counter); ok {
				name := ruleCounter(want.Name, rule.What)
				sum := counted[name] // of a rule for each family
				counted[name] = Counter{sum.Packets + counter.Packets, sum.Octets + counter.Bytes}
				*counter = expr.Counter{}
			}
		}
		if !reflect.DeepEqual(have[i].Exprs, rule.expressions()) || !bytes.Equal(have[i].UserData, rule.comment()) {
			return fmt.Sprintf("rule %d of chain %s, %s", i+1, want.Name, rule.What), nil
		}
	}
	return "", nil
}

func compareSets(c *nftables.Conn, want []Set, counted Counters) (difference string, err error) {
	sets, err := c.GetSets(table())
	if err != nil {
		return "", fmt.Errorf("read sets: %w", err)
	}
	if len(sets) != len(want) {
		return fmt.Sprintf("there are %d sets", len(sets)), nil
	}
	for _, set := range want {
		i := slices.IndexFunc(sets, func(have *nftables.Set) bool { return have.Name == set.Name })
		if i < 0 || sets[i].KeyType != keyType(set.Key) {
			return "set " + set.Name, nil
		}
		elements, err := c.GetSetElements(sets[i])
		if err != nil {
			return "", fmt.Errorf("read the elements of set %s: %w", set.Name, err)
		}
		have := make(map[string]*expr.Counter, len(elements))
		for _, e := range elements {
			have[string(e.Key)] = e.Counter
		}
		if len(have) != len(set.Elements) {
			return fmt.Sprintf("set %s has %d elements", set.Name, len(have)), nil
		}
		for _, e := range set.Elements {
			counter, found := have[string(keyData(set.Key, e))]
			if !found || (counter != nil) != set.Counted {
				return "the elements of set " + set.Name, nil
			}
			if counter != nil {
				counted[elementCounter(set.Name, e)] = Counter{counter.Packets, counter.Bytes}
			}
		}
	}
	return "", nil
}

// Watch calls changed after every change of any table.
func (n Netlink) Watch(ctx context.Context, changed func()) error {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: n.Namespace})
	if err != nil {
		return fmt.Errorf("open a socket for changes of the tables: %w", err)
	}
	defer c.Close()
	if err := c.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return fmt.Errorf("subscribe to changes of the tables: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	changed() // what came before the subscription
	for {
		_, err := c.Receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, errors.Is(err, unix.ENOBUFS): // overflow: some were lost, which changes nothing here
			changed()
		default:
			return fmt.Errorf("receive changes of the tables: %w", err)
		}
	}
}
