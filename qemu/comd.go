package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/qemu/lab/comd"
)

// comdNames are what a box reaches this host by: from a machine of `run`, on
// either LAN, and from this host itself.
const comdNames = "com.example.com,192.168.42.2,192.168.43.2,127.0.0.1,localhost"

// Files in the folder of comd; comctl looks for them there.
const (
	comdDir   = "out/comd"
	comdRoot  = "root.pem"
	comdToken = "token"
)

// runCOM is a COM server until it is interrupted.
func runCOM(ctx context.Context, args []string) error {
	var listen, operators, dir, names, licence string
	var heartbeat, spread time.Duration
	err := parse("comd", args, func(set *flag.FlagSet) {
		set.StringVar(&listen, "listen", "127.0.0.1:443", "`addresses` for boxes")
		set.StringVar(&operators, "api", "127.0.0.1:8481", "`address` for comctl, HTTPS")
		set.StringVar(&dir, "dir", comdDir, "`folder` for its state, its root certificate and the first token")
		set.StringVar(&names, "names", comdNames, "`hosts` and addresses that it is reached by")
		set.StringVar(&licence, "licence-root", "", "`file` of a licence server's root: boxes that it knows are known here")
		set.DurationVar(&heartbeat, "heartbeat", 30*time.Second, "`time` between two heartbeats of a box, whole seconds")
		set.DurationVar(&spread, "spread", 5*time.Minute, "`time` within which boxes are asked to come back in the end")
	})
	if err != nil {
		return err
	}
	options := comd.Options{Dir: dir, Names: strings.Split(names, ","), Heartbeat: heartbeat, Log: os.Stderr}
	if licence != "" {
		text, err := os.ReadFile(licence)
		if err != nil {
			return err
		}
		if options.Licence = x509.NewCertPool(); !options.Licence.AppendCertsFromPEM(text) {
			return fmt.Errorf("read %s: there is no certificate", licence)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	server, err := comd.New(options)
	if err != nil {
		return err
	}
	if err := handOut(server, dir); err != nil {
		return errors.Join(err, server.Close(0))
	}
	err = serveCOM(ctx, server, strings.Split(listen, ","), operators)
	return errors.Join(err, server.Close(spread))
}

// handOut writes what boxes and operators need. The token of the first operator
// is made once.
func handOut(server *comd.Server, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, comdRoot), server.Root(), 0o644); err != nil {
		return err
	}
	file := filepath.Join(dir, comdToken)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	token, err := server.NewToken("first", "")
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(token+"\n"), 0o600)
}

// serveCOM serves all addresses until the context ends or one fails.
func serveCOM(ctx context.Context, server *comd.Server, listen []string, operators string) error {
	boxes, api := server.Gateway.Server(), &http.Server{Handler: server.API(), ReadHeaderTimeout: 10 * time.Second}
	var serve []func() error
	var opened []net.Listener
	defer func() {
		for _, l := range opened {
			l.Close()
		}
	}()
	for _, address := range listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		opened = append(opened, l)
		serve = append(serve, func() error { return boxes.Serve(server.Gateway.Listener(l)) })
		fmt.Printf("for boxes: %s\n", l.Addr())
	}
	l, err := net.Listen("tcp", operators)
	if err != nil {
		return err
	}
	opened = append(opened, l)
	serve = append(serve, func() error { return api.Serve(tls.NewListener(l, server.APITLS())) })
	fmt.Printf("for operators: https://%s\n", l.Addr())

	ends := make(chan error, len(serve))
	for _, s := range serve {
		go func() { ends <- s() }()
	}
	running := len(serve)
	select {
	case err = <-ends:
		running--
	case <-ctx.Done():
	}
	err = errors.Join(err, boxes.Close(), api.Close())
	for range running {
		<-ends
	}
	return err
}
