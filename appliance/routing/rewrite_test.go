package routing

import (
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// TestRewrite: the policy of the first trigger, then what is private.
func TestRewrite(t *testing.T) {
	const asserted = "P-Asserted-Identity: <sip:alice@example.com>\r\nPrivacy: id\r\n"
	mark := "policy normalization mark\nsequence 1 header add X-Mark yes\nend policy\n"
	tell := "policy normalization tell\nsequence 1 header add P-Asserted-Identity <sip:carol@example.com>\nend policy\n"
	toWan := "trigger condition wan\nsequence 1\nout-network wan\nend sequence\nend trigger condition\n"
	for _, tt := range []struct {
		name, config string
		stage        model.TriggerKind
		rewrites     bool
		with         []string // of the header; nil: nothing changes
		without      []string
	}{
		{"nothing configured", "", model.TriggerPostNormalization, false, nil, nil},
		{"a trigger", mark + "trigger pre-normalization sequence 1 policy mark\n", model.TriggerPreNormalization, true, []string{"X-Mark", "P-Asserted"}, nil},
		{"another stage", mark + "trigger pre-normalization sequence 1 policy mark\n", model.TriggerPostNormalization, false, nil, nil},
		{"routing is no such stage", "trigger routing sequence 1 by-pass\n", model.TriggerRouting, false, nil, nil},
		{"by-pass before it", mark + "trigger pre-normalization sequence 1 by-pass\ntrigger pre-normalization sequence 2 policy mark\n", model.TriggerPreNormalization, true, nil, nil},
		{"where it goes", mark + toWan + "trigger post-normalization sequence 1 policy mark condition wan\n", model.TriggerPostNormalization, true, []string{"X-Mark"}, nil},
		{"where it does not go", mark + strings.Replace(toWan, "out-network wan", "out-network lan", 1) + "trigger post-normalization sequence 1 policy mark condition wan\n",
			model.TriggerPostNormalization, true, nil, nil},
		{"private", "sip privacy service\n", model.TriggerPostNormalization, true, []string{"X-Old"}, []string{"P-Asserted"}},
		{"private before it goes nowhere", "sip privacy service\n", model.TriggerPreNormalization, false, nil, nil},
		{"private to whom we trust", "sip privacy service\nsip privacy trusted-destination wan\n", model.TriggerPostNormalization, true, nil, nil},
		{"policy, and private", "sip privacy service\n" + mark + "trigger post-normalization sequence 1 policy mark\n",
			model.TriggerPostNormalization, true, []string{"X-Mark", "X-Old"}, []string{"P-Asserted"}},
		{"private goes last", "sip privacy service\n" + tell + "trigger post-normalization sequence 1 policy tell\n",
			model.TriggerPostNormalization, true, []string{"X-Old"}, []string{"P-Asserted", "carol"}},
		{"policy, and trust", "sip privacy service\nsip privacy trusted-destination wan\n" + mark + "trigger post-normalization sequence 1 policy mark\n",
			model.TriggerPostNormalization, true, []string{"X-Mark", "P-Asserted"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newBox(t).commit(tt.config)
			if got := p.Rewrites(tt.stage); got != tt.rewrites {
				t.Errorf("Rewrites(%s) = %v; want %v", model.TriggerKindNames[tt.stage], got, tt.rewrites)
			}
			in := request(t, p, "lan", "192.168.42.9:5060", "INVITE sip:9@192.168.42.1", asserted+"X-Old: kept\r\n")
			before := string(in.Message.Raw)
			out := &hop.Target{Network: "wan"}
			if tt.stage == model.TriggerPreNormalization {
				out = nil
			}
			const ahead = "what is there already"
			got := string(p.Rewrite([]byte(ahead), tt.stage, in, out))
			if string(in.Message.Raw) != before {
				t.Errorf("Rewrite has changed the message in hand to %s", in.Message.Raw)
			}
			if tt.with == nil {
				if got != "" {
					t.Errorf("Rewrite = %q; want nothing", got)
				}
				return
			}
			changed, found := strings.CutPrefix(got, ahead)
			var m message.Message
			if err := m.Parse([]byte(changed)); !found || err != nil {
				t.Fatalf("Rewrite = %q: %v", got, err)
			}
			for _, text := range tt.with {
				if !strings.Contains(changed, text) {
					t.Errorf("Rewrite = %q; want %s in it", changed, text)
				}
			}
			for _, text := range tt.without {
				if strings.Contains(changed, text) {
					t.Errorf("Rewrite = %q; want no %s in it", changed, text)
				}
			}
		})
	}
}

// TestRewriteResponse: responses are normalised, too; they leave by no target.
func TestRewriteResponse(t *testing.T) {
	p := newBox(t).commit("policy normalization mark\nsequence 1 header add X-Mark yes\nend policy\n" +
		"trigger condition ringing\nsequence 1\nmessage response\nresponse-code 180|183\nend sequence\nend trigger condition\n" +
		"trigger pre-normalization sequence 1 policy mark condition ringing\n")
	for status, want := range map[string]bool{"183 Session Progress": true, "200 OK": false} {
		in := &hop.Incoming{Message: new(message.Message), Network: "wan", MidDialog: true}
		if err := in.Message.Parse([]byte("SIP/2.0 " + status + "\r\nVia: SIP/2.0/UDP 192.168.43.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n" +
			"To: <sip:b@x>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if got := string(p.Rewrite(nil, model.TriggerPreNormalization, in, nil)); strings.Contains(got, "X-Mark: yes") != want {
			t.Errorf("Rewrite of %s = %q; want the mark: %v", status, got, want)
		}
	}
}
