package ela

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFile(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	for _, o := range v.openings(a) {
		signer := Signer{a.id.key, a.id.Certificate}
		if o.request.Type == TypeRegister {
			signer.Certificate = nil
		}
		file, err := o.request.File(signer)
		if err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		u := unpack(t, file)
		if _, has := u.header["nonce"]; has || u.header["url"] != o.request.Path || !u.verify(&a.id.key.PublicKey) {
			t.Errorf("%s: header of the file = %v; want url %s, no nonce, and a good signature", o.name, u.header, o.request.Path)
		}
		reply := append(v.sign(v.two, v.header(v.two), marshal(t, o.answer)), '\r', '\n')
		answer, err := ReadFile(reply, o.request.Outstanding, now.Add(FileAge))
		if err == nil {
			err = o.open(v.trust(), answer, o.request.Outstanding)
		}
		if err != nil {
			t.Errorf("%s: the answer in a file: %v", o.name, err)
		}
	}
}

func TestReadFileRefuses(t *testing.T) {
	o := Outstanding{Time: now}
	if _, err := ReadFile([]byte("{}"), o, now.Add(FileAge+time.Second)); !errors.Is(err, ErrRequestAge) {
		t.Errorf("after 30 days: %v; want %v", err, ErrRequestAge)
	}
	if _, err := ReadFile(bytes.Repeat([]byte(" "), MaxMessage+1), o, now); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v; want %v", err, ErrTooLong)
	}
	_, err := ReadFile([]byte(`{"type":"bad-token","title":"`+strings.Repeat("x", 300)+`"}`), o, now)
	var problem *ProblemError
	if !errors.As(err, &problem) || problem.Type != BadToken || len(problem.Error()) > 300 {
		t.Errorf("a problem: %v; want %s with a title that is cut", err, BadToken)
	}
}
