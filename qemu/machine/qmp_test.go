package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// playQEMU greets and answers each command with what answers has for it
// ("%d" is its id); a command without an answer gets none. It ends with
// conn.
func playQEMU(conn net.Conn, answers map[string]string) {
	fmt.Fprintln(conn, `{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}`)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var request struct {
			Execute string
			ID      int
		}
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			panic(err)
		}
		if answer, ok := answers[request.Execute]; ok {
			fmt.Fprintln(conn, strings.ReplaceAll(answer, "%d", fmt.Sprint(request.ID)))
		}
	}
}

const done = `{"return": {}, "id": %d}`

func TestMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go playQEMU(theirs, map[string]string{
			"qmp_capabilities": done,
			"quit":             done,
			"device_del":       `{"error": {"class": "DeviceNotFound", "desc": "no such device"}, "id": %d}`,
			"system_reset": `{"event": "RESET", "data": {"guest": false, "reason": "host-qmp-system-reset"}}` + "\n" + done + "\n" +
				`{"event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}`,
			"cont": `{"return": {}, "id": 2}` + "\n" + done, // 2 is the id of a command given up
		})
		m, err := newMonitor(t.Context(), ours)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.execute(short, "stop", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop without an answer = %v; want the deadline", err)
		}
		if err := m.execute(t.Context(), "cont", nil); err != nil {
			t.Errorf("cont = %v; want nil past the late answer", err)
		}
		if err := m.execute(t.Context(), "device_del", map[string]any{"id": "usb"}); err == nil || !strings.Contains(err.Error(), "no such device") {
			t.Errorf("device_del = %v; want QEMU's own words", err)
		}
		if err := m.execute(t.Context(), "system_reset", nil); err != nil {
			t.Errorf("system_reset = %v", err)
		}
		event, err := m.event(t.Context(), "RESET", 2)
		if want := (EventData{Guest: true, Reason: "guest-reset"}); err != nil || event.Data != want {
			t.Errorf("second RESET = %+v, %v; want %+v", event.Data, err, want)
		}
		theirs.Close()
		if _, err := m.event(t.Context(), "SHUTDOWN", 1); !errors.Is(err, io.EOF) {
			t.Errorf("SHUTDOWN of a QEMU that vanished = %v; want the end", err)
		}
		if err := m.execute(t.Context(), "quit", nil); err == nil {
			t.Error("quit of a QEMU that vanished = nil; want an error")
		}
	})
}
