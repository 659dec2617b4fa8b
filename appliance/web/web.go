package web

import (
	"context"
	"crypto/tls"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/entrance"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// Options are what a Server is made of.
type Options struct {
	Certificate func() (*tls.Certificate, error) // of the purpose web, asked at each handshake
	HostName    func() string                    // the box answers to it, and to the names of its certificate
	Zone        func() *time.Location            // of the box
	Login       Login
	Grammar     *config.Grammar
	Commands    []exec.Command // EXEC commands of the subjects
	// Call asks a process of the box, as exec.Session has it.
	Call    func(ctx context.Context, process, method string, params, result any) error
	Sources Sources
	Files   *files.Service
	Build   model.BuildInfo
	// Listen is that of entrance.Options.
	Listen func(p model.Port, tcp uint16) (net.Listener, error)
	Log    *slog.Logger
}

// Login is who knows who may log in: access.Access. Origins are as in
// model.Operator: "web 192.0.2.7".
type Login interface {
	// Password logs in by password. It takes as long for a user who is not there.
	Password(ctx context.Context, user, password, origin string) (model.Login, error)
	// Active is told that somebody does something, Logout that a session is over.
	Active(session uint64)
	Logout(session uint64, why string)
	// Ended is closed when a session is to end.
	Ended(session uint64) <-chan struct{}
}

// Server serves the pages as the configuration last applied says. Make it with New.
type Server struct {
	Options
	menu       []section
	pages      map[string]*page // by path
	templates  *template.Template
	assets     map[string]asset
	handler    http.Handler
	entrance   *entrance.Entrance
	guests     *guests // connections
	sessions   *sessions
	candidates reader                      // the candidate as it was read last
	table      func() (*exec.Table, error) // of the commands
	logins     *guests                     // logins that are under way
	key        []byte                      // of the tokens of login pages
}

// New makes a server that listens nowhere until Run runs and a configuration has the
// pages and a user.
func New(o Options) *Server {
	s := &Server{
		Options: o, menu: menu(), pages: map[string]*page{}, assets: assets(),
		guests: newGuests(guestsMost, ofSourceMost), logins: newGuests(loginsMost, loginsOfSource), key: []byte(secret()),
	}
	s.sessions = newSessions(o.Login, s.release)
	s.templates, s.handler = s.parse(), s.routes()
	s.entrance = entrance.New(entrance.Options{
		Service: "HTTPS", Serve: s.serve, Listen: o.Listen, Log: o.Log,
		Ready: func() error {
			_, err := s.Certificate()
			return err
		},
	})
	s.table = sync.OnceValues(func() (*exec.Table, error) { return exec.NewTable(o.Commands) })
	for _, one := range s.menu {
		for _, p := range one.pages {
			s.pages[p.path] = p
		}
	}
	return s
}
