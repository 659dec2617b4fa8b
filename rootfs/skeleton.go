package rootfs

import (
	"context"
	"io"
	"strings"

	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage/initramfs"
)

// skeleton is what every root has: mount points, the two devices that PID 1
// needs before devtmpfs is mounted, users, and where names are looked up. The
// users are those of docs/architecture.md.
var skeleton = []cpio.Record{
	cpio.Directory("dev", 0o755),
	cpio.Directory("proc", 0o555),
	cpio.Directory("sys", 0o555),
	cpio.Directory("run", 0o755),
	cpio.Directory("tmp", 0o1777),
	cpio.Directory("bootflash", 0o755),
	cpio.Directory("harddisk", 0o755),
	cpio.Symlink("usb0", "run/volumes/usb0"),
	cpio.CharDev("dev/console", 0o600, 5, 1),
	cpio.CharDev("dev/null", 0o666, 1, 3),
	cpio.StaticFile("etc/passwd", `root:x:0:0:root:/:/bin/false
proxy:x:101:100:SIP proxy:/run/proxy:/bin/false
billing:x:102:100:billing:/run/billing:/bin/false
control:x:103:100:management:/run/control:/bin/false
console:x:104:100:serial console:/run/console:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false
`, 0o644),
	cpio.StaticFile("etc/group", `root:x:0:
causeway:x:100:proxy,billing,control,console
journal:x:110:proxy,billing
nogroup:x:65534:
`, 0o644),
	// control serves DNS there for the whole box, and gives up on a question
	// after 5 s: whoever waits for less asks twice. Without nsswitch.conf Go
	// looks into hosts, then asks the DNS, as is wanted.
	cpio.StaticFile("etc/resolv.conf", "nameserver 127.0.0.1\nnameserver ::1\noptions timeout:6 attempts:2\n", 0o644),
	cpio.StaticFile("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644),
}

func (s *Spec) addSkeleton(_ context.Context, files *initramfs.Files) error {
	for _, record := range skeleton {
		if err := files.AddRecord(record); err != nil {
			return err
		}
	}
	return nil
}

// addText adds a file that write prints.
func addText(files *initramfs.Files, name string, write func(io.Writer) error) error {
	var text strings.Builder
	if err := write(&text); err != nil {
		return err
	}
	return files.AddRecord(cpio.StaticFile(name, text.String(), 0o644))
}
