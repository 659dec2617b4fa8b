package control

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"causeway/appliance/admission"
	"causeway/appliance/config"
	"causeway/appliance/link"
	"causeway/appliance/metrics"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/routing/servergroup"
)

// TestMetrics scrapes a box as its configuration says, and finds what the
// processes answer.
func TestMetrics(t *testing.T) {
	free, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	b := newBox(t)
	if b.options.Grammar, err = config.New(network.Commands(), metrics.Commands()); err != nil {
		t.Fatal(err)
	}
	b.options.BuiltIn = fmt.Sprintf("metrics on\nmetrics port %d\n", port)
	proxy := link.Methods{
		"proxy.status": func(context.Context) (model.ProxyStatus, error) { return model.ProxyStatus{OpenCalls: 3}, nil },
		"proxy.cps": func(context.Context) (admission.CPSStatus, error) {
			return admission.CPSStatus{Average: 9.5, Limit: 10, Rejecting: true}, nil
		},
		"proxy.server-groups": func(context.Context) ([]servergroup.GroupStatus, error) {
			return []servergroup.GroupStatus{{Name: "gateways", Network: "lan2", Elements: []servergroup.ElementStatus{
				{Element: "udp 198.51.100.2:5060", State: "up"}, {Element: "tcp 198.51.100.3:5060", State: "down"},
			}}}, nil
		},
		"proxy.connections": func(context.Context) ([]model.SIPConnection, error) {
			return []model.SIPConnection{{Network: "lan1", Transport: "tls"}}, nil
		},
	}
	init := link.Methods{
		"init.health": func(context.Context) (model.SystemHealth, error) {
			return model.SystemHealth{Services: []model.ServiceStatus{{Name: "console", Restarts: 4}}}, nil
		},
	}
	t.Cleanup(serve(t, link.Socket(b.options.Run, "proxy"), proxy))
	t.Cleanup(serve(t, link.Socket(b.options.Run, "init"), init))
	b.start()

	text := ""
	eventually(t, "metrics", func() string {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return err.Error()
		}
		text = string(body)
		return ""
	})
	for _, want := range []string{
		"causeway_sip_calls_open 3", "causeway_sip_calls_per_second_average 9.5", "causeway_sip_calls_per_second_limit 10", "causeway_sip_calls_rejecting 1",
		`causeway_sip_element_up{element="udp 198.51.100.2:5060",group="gateways",network="lan2"} 1`,
		`causeway_sip_element_up{element="tcp 198.51.100.3:5060",group="gateways",network="lan2"} 0`,
		`causeway_sip_connections{network="lan1",transport="tls"} 1`,
		`causeway_license_state{state="UNIDENTIFIED"} 1`, "causeway_license_allows_calls 1", "causeway_license_calls_per_second 10",
		"causeway_license_id_certificate_left_seconds 0", "causeway_com_connected 0", "causeway_com_grace_left_seconds 2.592e+06", "causeway_com_sessions 0",
		`causeway_process_restarts_total{process="console"} 4`, `causeway_process_answers{process="billing"} 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("the metrics have no line %s:\n%s", want, text)
		}
	}
}
