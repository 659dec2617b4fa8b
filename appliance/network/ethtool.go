package network

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mode is the speed and duplex that a port is to have. What is not said is
// negotiated with its peer.
type Mode struct {
	Speed  int    // Mbit/s; 0: not said
	Duplex string // "full", "half"; empty: not said
}

func (m Mode) String() string {
	if m == (Mode{}) {
		return "speed auto"
	}
	text := "speed auto"
	if m.Speed != 0 {
		text = fmt.Sprintf("speed %d", m.Speed)
	}
	if m.Duplex != "" {
		text += " duplex " + m.Duplex
	}
	return text
}

// forced reports whether the peer is not asked: with 10 and 100 Mbit/s that is
// what one who sets both wants, and with more the standard has no such thing
// (IEEE 802.3 §28, §40).
func (m Mode) forced() bool { return m.Speed != 0 && m.Speed < 1000 && m.Duplex != "" }

// linkSettings is the kernel's struct ethtool_link_settings (linux/ethtool.h),
// which drivers of old and new NICs understand.
type linkSettings struct {
	command    uint32
	speed      uint32 // Mbit/s
	duplex     uint8
	port       uint8
	phy        uint8
	negotiates uint8
	_          [3]uint8
	words      int8 // of each of the masks
	_          [4]uint8
	_          [7]uint32
	masks      [3 * maskWords]uint32 // supported, advertised, advertised by the peer
}

// maskWords is the most that the kernel's field can count.
const maskWords = 127

// Values of linkSettings.
const (
	speedUnknown  = 0xffffffff
	duplexHalf    = 0
	duplexFull    = 1
	duplexUnknown = 0xff
	negotiateOn   = 1
	negotiateOff  = 0
)

// linkMode is a bit of the masks: an Ethernet of some speed.
type linkMode struct {
	bit   int
	speed int
	half  bool
}

// linkModes are those of the speeds that can be set.
var linkModes = []linkMode{
	{unix.ETHTOOL_LINK_MODE_10baseT_Half_BIT, 10, true},
	{unix.ETHTOOL_LINK_MODE_10baseT_Full_BIT, 10, false},
	{unix.ETHTOOL_LINK_MODE_100baseT_Half_BIT, 100, true},
	{unix.ETHTOOL_LINK_MODE_100baseT_Full_BIT, 100, false},
	{unix.ETHTOOL_LINK_MODE_1000baseT_Half_BIT, 1000, true},
	{unix.ETHTOOL_LINK_MODE_1000baseT_Full_BIT, 1000, false},
	{unix.ETHTOOL_LINK_MODE_1000baseKX_Full_BIT, 1000, false},
	{unix.ETHTOOL_LINK_MODE_1000baseX_Full_BIT, 1000, false},
	{unix.ETHTOOL_LINK_MODE_2500baseX_Full_BIT, 2500, false},
	{unix.ETHTOOL_LINK_MODE_2500baseT_Full_BIT, 2500, false},
	{unix.ETHTOOL_LINK_MODE_10000baseT_Full_BIT, 10000, false},
	{unix.ETHTOOL_LINK_MODE_10000baseKX4_Full_BIT, 10000, false},
	{unix.ETHTOOL_LINK_MODE_10000baseKR_Full_BIT, 10000, false},
	{unix.ETHTOOL_LINK_MODE_10000baseCR_Full_BIT, 10000, false},
	{unix.ETHTOOL_LINK_MODE_10000baseSR_Full_BIT, 10000, false},
	{unix.ETHTOOL_LINK_MODE_10000baseLR_Full_BIT, 10000, false},
	{unix.ETHTOOL_LINK_MODE_10000baseLRM_Full_BIT, 10000, false},
	{unix.ETHTOOL_LINK_MODE_10000baseER_Full_BIT, 10000, false},
}

// otherModes are the bits that say something else than a speed: that the port
// negotiates, its connector, flow control, error correction.
var otherModes = []int{
	unix.ETHTOOL_LINK_MODE_Autoneg_BIT, unix.ETHTOOL_LINK_MODE_TP_BIT, unix.ETHTOOL_LINK_MODE_AUI_BIT,
	unix.ETHTOOL_LINK_MODE_MII_BIT, unix.ETHTOOL_LINK_MODE_FIBRE_BIT, unix.ETHTOOL_LINK_MODE_BNC_BIT,
	unix.ETHTOOL_LINK_MODE_Pause_BIT, unix.ETHTOOL_LINK_MODE_Asym_Pause_BIT, unix.ETHTOOL_LINK_MODE_Backplane_BIT,
	unix.ETHTOOL_LINK_MODE_FEC_NONE_BIT, unix.ETHTOOL_LINK_MODE_FEC_RS_BIT, unix.ETHTOOL_LINK_MODE_FEC_BASER_BIT,
}

func (s *linkSettings) supported() []uint32  { return s.masks[:s.words] }
func (s *linkSettings) advertised() []uint32 { return s.masks[s.words:][:s.words] }

func has(mask []uint32, bit int) bool {
	return bit/32 < len(mask) && mask[bit/32]&(1<<(bit%32)) != 0
}

// narrowed gives the settings when the port offers its peer what it supports
// of the mode, and the number of Ethernets that are.
func (s linkSettings) narrowed(m Mode) (linkSettings, int) {
	supported, offers := s.supported(), 0
	s.negotiates = negotiateOn
	offer := s.advertised()
	clear(offer)
	take := func(bit int) {
		if has(supported, bit) {
			offer[bit/32] |= 1 << (bit % 32)
		}
	}
	for _, bit := range otherModes {
		take(bit)
	}
	for _, mode := range linkModes {
		if (m.Speed == 0 || m.Speed == mode.speed) && (m.Duplex == "" || (m.Duplex == "half") == mode.half) && has(supported, mode.bit) {
			take(mode.bit)
			offers++
		}
	}
	return s, offers
}

// with gives the settings that bring a mode about. They are those that there
// are where nothing need be done: each setting takes the link down for seconds.
func (s linkSettings) with(m Mode) (linkSettings, error) {
	negotiable := has(s.supported(), unix.ETHTOOL_LINK_MODE_Autoneg_BIT)
	switch {
	case m == Mode{} && (!negotiable || s.negotiates == negotiateOn && !s.isNarrowed()):
		return s, nil
	case m == Mode{}:
		s.negotiates = negotiateOn
		copy(s.advertised(), s.supported())
		return s, nil
	case negotiable && !m.forced():
		narrowed, offers := s.narrowed(m)
		if offers == 0 {
			return s, fmt.Errorf("the port has no such speed and duplex: %w", unix.EINVAL)
		}
		return narrowed, nil
	}
	// A port that is not connected may not know what it was told; one that
	// only plays Ethernet knows what it was told and nothing else.
	untold := s.negotiates == negotiateOn || !negotiable
	if m.Speed != 0 && (untold || s.speed != speedUnknown) {
		s.speed = uint32(m.Speed)
	}
	if m.Duplex != "" && (untold || s.duplex != duplexUnknown) {
		s.duplex = map[string]uint8{"half": duplexHalf, "full": duplexFull}[m.Duplex]
	}
	s.negotiates = negotiateOff
	return s, nil
}

// isNarrowed reports whether the port offers its peer less than it supports,
// in a way that some mode asks for. A driver may have other reasons.
func (s linkSettings) isNarrowed() bool {
	all, every := s.narrowed(Mode{})
	for _, speed := range []int{0, 10, 100, 1000, 2500, 10000} {
		for _, duplex := range []string{"", "half", "full"} {
			narrowed, offers := all.narrowed(Mode{speed, duplex})
			if offers > 0 && offers < every && sameSpeeds(narrowed.advertised(), s.advertised()) {
				return true
			}
		}
	}
	return false
}

func sameSpeeds(a, b []uint32) bool {
	for _, mode := range linkModes {
		if has(a, mode.bit) != has(b, mode.bit) {
			return false
		}
	}
	return true
}

// obeys reports whether a port is as a mode has it. A nil one, of which
// nothing is known, obeys what is not said. Which of otherModes a port offers
// is up to its driver: some offer flow control that they do not say they support.
func (s *linkSettings) obeys(m Mode) bool {
	if s == nil {
		return m == Mode{}
	}
	want, err := s.with(m)
	for _, bit := range otherModes {
		if word := bit / 32; word < int(s.words) {
			mask := uint32(1) << (bit % 32)
			want.advertised()[word] = want.advertised()[word]&^mask | s.advertised()[word]&mask
		}
	}
	return err == nil && want == *s
}

// ethtool does a command of the kernel's ethtool interface on an interface.
func ethtool(socket int, name string, command uint32, s *linkSettings) error {
	var request struct { // struct ifreq of netdevice(7)
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	s.command, request.data = command, unsafe.Pointer(s)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return os.NewSyscallError("ethtool", errno)
	}
	return nil
}

// readLinkSettings asks the driver of an interface.
func readLinkSettings(socket int, name string) (*linkSettings, error) {
	s := &linkSettings{}
	if err := ethtool(socket, name, unix.ETHTOOL_GLINKSETTINGS, s); err != nil {
		return nil, err
	}
	s.words = -s.words // the kernel says how many it has, and wants to be asked with as many
	if err := ethtool(socket, name, unix.ETHTOOL_GLINKSETTINGS, s); err != nil {
		return nil, err
	}
	if s.words < 0 {
		return nil, fmt.Errorf("ethtool of %s: the kernel changed its mind about its masks: %w", name, unix.EPROTO)
	}
	return s, nil
}

// setMode brings a mode about. The error is the driver's, which may have no
// such mode.
func setMode(name string, m Mode) error {
	socket, err := ethtoolSocket()
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	now, err := readLinkSettings(socket, name)
	if err != nil {
		return err
	}
	want, err := now.with(m)
	if err != nil {
		return err
	}
	return ethtool(socket, name, unix.ETHTOOL_SLINKSETTINGS, &want)
}

// ethtoolSocket is any socket: the kernel asks for one to tell the network
// namespace.
func ethtoolSocket() (int, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket for ethtool: %w", err)
	}
	return socket, nil
}
