package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"causeway/qemu/lab/licensed"
)

// licensedNames are what a box reaches this host by: from a machine of `run`, on
// either LAN, and from this host itself.
const licensedNames = "licensing.example.com,192.168.42.2,192.168.43.2,127.0.0.1,localhost"

// runLicensed is a licence server until it is interrupted.
func runLicensed(ctx context.Context, args []string) error {
	var listen, api, dir, names string
	err := parse("licensed", args, func(set *flag.FlagSet) {
		set.StringVar(&listen, "listen", "127.0.0.1:8443", "`address` for boxes, HTTPS")
		set.StringVar(&api, "api", "127.0.0.1:8480", "`address` for whoever drives it, HTTP")
		set.StringVar(&dir, "dir", "", "`folder` for its state and root certificate; without one it forgets all in the end")
		set.StringVar(&names, "names", licensedNames, "`hosts` and addresses that boxes reach it by")
	})
	if err != nil {
		return err
	}
	options := licensed.Options{Names: strings.Split(names, ",")}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		options.File = filepath.Join(dir, "state.json")
	}
	server, err := licensed.New(options)
	if err != nil {
		return err
	}
	if dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "root.pem"), server.Root(), 0o644); err != nil {
			return err
		}
	}
	return serveLicensed(ctx, server, listen, api)
}

// serveLicensed serves both addresses until the context ends or one fails.
func serveLicensed(ctx context.Context, server *licensed.Server, listen, api string) error {
	boxes, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer boxes.Close()
	drivers, err := net.Listen("tcp", api)
	if err != nil {
		return err
	}
	defer drivers.Close()
	fmt.Printf("licence server: https://%s\nto drive it: http://%s\n", boxes.Addr(), drivers.Addr())

	ends := make(chan error, 2)
	toBoxes := &http.Server{Handler: server.Handler(), TLSConfig: server.TLS()}
	toDrivers := &http.Server{Handler: server.API()}
	go func() { ends <- toBoxes.ServeTLS(boxes, "", "") }()
	go func() { ends <- toDrivers.Serve(drivers) }()
	running := 2
	select {
	case err = <-ends:
		running--
	case <-ctx.Done():
	}
	err = errors.Join(err, toBoxes.Close(), toDrivers.Close())
	for range running {
		<-ends
	}
	return err
}
