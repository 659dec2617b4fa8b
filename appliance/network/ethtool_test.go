package network

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// bits gives the words of a mask.
func bits(words []uint32, list ...int) {
	for _, bit := range list {
		words[bit/32] |= 1 << (bit % 32)
	}
}

// gigabit are the settings of a copper port at their defaults, with a peer.
func gigabit() linkSettings {
	s := linkSettings{words: 3, speed: 1000, duplex: duplexFull, negotiates: negotiateOn}
	for _, mask := range [][]uint32{s.supported(), s.advertised()} {
		bits(mask, unix.ETHTOOL_LINK_MODE_Autoneg_BIT, unix.ETHTOOL_LINK_MODE_TP_BIT, unix.ETHTOOL_LINK_MODE_Pause_BIT,
			unix.ETHTOOL_LINK_MODE_10baseT_Half_BIT, unix.ETHTOOL_LINK_MODE_10baseT_Full_BIT,
			unix.ETHTOOL_LINK_MODE_100baseT_Half_BIT, unix.ETHTOOL_LINK_MODE_100baseT_Full_BIT,
			unix.ETHTOOL_LINK_MODE_1000baseT_Full_BIT)
	}
	return s
}

// virtual are the settings of a port that plays Ethernet, nobody having told
// it how.
func virtual() linkSettings {
	return linkSettings{words: 3, speed: speedUnknown, duplex: duplexUnknown, port: 0xff, negotiates: negotiateOff}
}

// offered are the speeds that a port offers its peer.
func offered(s linkSettings) (speeds []int) {
	for _, mode := range linkModes {
		if has(s.advertised(), mode.bit) {
			speed := mode.speed
			if mode.half {
				speed = -speed
			}
			speeds = append(speeds, speed)
		}
	}
	return speeds
}

func TestModes(t *testing.T) {
	all := []int{-10, 10, -100, 100, 1000}
	unplugged := gigabit()
	unplugged.negotiates, unplugged.speed, unplugged.duplex = negotiateOff, speedUnknown, duplexUnknown
	choosy := gigabit() // does not offer all that it supports, for reasons of its own
	bits(choosy.supported(), unix.ETHTOOL_LINK_MODE_2500baseT_Full_BIT, unix.ETHTOOL_LINK_MODE_1000baseT_Half_BIT)
	pausing, _ := gigabit().with(Mode{100, ""}) // offers flow control that it does not say it supports
	bits(pausing.advertised(), unix.ETHTOOL_LINK_MODE_Asym_Pause_BIT)
	slow, _ := gigabit().with(Mode{10, ""})
	forced, _ := gigabit().with(Mode{100, "half"})
	told, _ := virtual().with(Mode{1000, "full"})
	for _, test := range []struct {
		name       string
		now        linkSettings
		mode       Mode
		negotiates uint8
		speed      uint32
		duplex     uint8
		offered    []int
		obeys      bool // before anything is set
	}{
		{"negotiated", gigabit(), Mode{}, 1, 1000, duplexFull, all, true},
		{"one speed offered", gigabit(), Mode{1000, ""}, 1, 1000, duplexFull, []int{1000}, false},
		{"both of one speed", gigabit(), Mode{100, ""}, 1, 1000, duplexFull, []int{-100, 100}, false},
		{"full duplex offered", gigabit(), Mode{0, "full"}, 1, 1000, duplexFull, []int{10, 100, 1000}, false},
		{"a gigabit is never forced", gigabit(), Mode{1000, "full"}, 1, 1000, duplexFull, []int{1000}, false},
		{"forced", gigabit(), Mode{100, "half"}, 0, 100, duplexHalf, all, false},
		{"forced, without a peer", unplugged, Mode{100, "half"}, 0, speedUnknown, duplexUnknown, all, true},
		{"forced to another", forced, Mode{10, "full"}, 0, 10, duplexFull, all, false},
		{"negotiated after one speed", slow, Mode{}, 1, 1000, duplexFull, all, false},
		{"negotiated after forced", forced, Mode{}, 1, 100, duplexHalf, all, false},
		{"negotiated as the driver likes", choosy, Mode{}, 1, 1000, duplexFull, all, true},
		{"offering more than speeds", pausing, Mode{100, ""}, 1, 1000, duplexFull, []int{-100, 100}, true},
		{"virtual", virtual(), Mode{}, 0, speedUnknown, duplexUnknown, nil, true},
		{"virtual with a speed", virtual(), Mode{2500, ""}, 0, 2500, duplexUnknown, nil, false},
		{"virtual with both", virtual(), Mode{100, "half"}, 0, 100, duplexHalf, nil, false},
		{"virtual, told before", told, Mode{1000, "full"}, 0, 1000, duplexFull, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.now.obeys(test.mode); got != test.obeys {
				t.Errorf("obeys(%v) = %t; want %t", test.mode, got, test.obeys)
			}
			got, err := test.now.with(test.mode)
			if err != nil || got.negotiates != test.negotiates || got.speed != test.speed || got.duplex != test.duplex {
				t.Errorf("with(%v) = %+v, %v; want negotiates %d, speed %d, duplex %d", test.mode, got, err, test.negotiates, test.speed, test.duplex)
			}
			if offers := offered(got); !slices.Equal(offers, test.offered) {
				t.Errorf("with(%v) offers %v; want %v", test.mode, offers, test.offered)
			}
			if !got.obeys(test.mode) {
				t.Errorf("with(%v) does not obey", test.mode)
			}
		})
	}
	if _, err := new(linkSettings).with(Mode{}); err != nil {
		t.Errorf("with(%v) of nothing: %v", Mode{}, err)
	}
	copper := gigabit()
	if _, err := copper.with(Mode{10000, ""}); !errors.Is(err, unix.EINVAL) || copper.obeys(Mode{10000, ""}) {
		t.Errorf("with(10 Gbit/s) of a slower port = %v; want %v", err, unix.EINVAL)
	}
	var silent *linkSettings
	if !silent.obeys(Mode{}) || silent.obeys(Mode{100, ""}) {
		t.Error("a driver that says nothing obeys what is not said, and nothing else")
	}
}

// TestDisturbing: a port is asked no more for what it refused, or did not do,
// until the next commit.
func TestDisturbing(t *testing.T) {
	for _, test := range []struct {
		name    string
		refuse  error
		asked   int
		problem string
	}{
		{"refused", unix.EOPNOTSUPP, 1, "set speed 100: operation not supported"},
		{"not done", nil, 1, "set speed 100: did not last"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newFakeKernel(lan1.LAN, lan2.LAN)
			asked := 0
			k.refuse = func(of any) error {
				if _, is := of.(PortMode); is {
					asked++
					return test.refuse
				}
				return nil
			}
			r := NewReconciler(fixedSpeed{k}, quiet())
			config := twoLANs()
			config.LANs[0].Speed = 100
			for commit := range 2 {
				r.Apply(config)
				for range 5 {
					if good, _ := r.reconcile(); good {
						t.Error("reconcile = true; want a problem")
					}
				}
				if asked != test.asked*(commit+1) {
					t.Errorf("asked %d times after %d commits; want %d for each", asked, commit+1, test.asked)
				}
			}
			if got := r.Status()[0].Problem; got != test.problem {
				t.Errorf("Problem = %q; want %q", got, test.problem)
			}
		})
	}
}

// fixedSpeed is a kernel whose ports keep their speed.
type fixedSpeed struct{ *fakeKernel }

func (k fixedSpeed) Set(s Setting) error {
	if mode, is := s.(PortMode); is {
		return k.refuse(mode)
	}
	return k.fakeKernel.Set(s)
}
