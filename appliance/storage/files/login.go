package files

import (
	"context"
	"fmt"
	"time"

	"causeway/appliance/exec"
	"causeway/appliance/storage/remote"
)

// LoginAt asks the operator how to log in at the first of the places that wants to
// know: whether the key that the host shows is its own, and the password. It is the
// zero Login where none does.
func LoginAt(ctx context.Context, s exec.Session, places ...Place) (login remote.Login, err error) {
	for _, p := range places {
		if p.IsRemote() && !p.isWeb() {
			return loginAt(ctx, s, p)
		}
	}
	return login, nil
}

func loginAt(ctx context.Context, s exec.Session, p Place) (login remote.Login, err error) {
	ctx, cancel := context.WithTimeout(ctx, textLimit)
	defer cancel()
	var host Host
	if err := files(ctx, s, "host", HostRequest{p}, &host); err != nil {
		return login, err
	}
	exec.Field(s, "Host", p.Host.Address)
	exec.Field(s, "Host key", host.Key)
	if err := s.Confirm("Is that its key? The password goes to whoever has it."); err != nil {
		return login, err
	}
	login.HostKey = host.Key
	login.Password, err = s.Secret(fmt.Sprintf("Password of %s: ", p.Host.User))
	return login, err
}

// textLimit is how long another system may take for its key, or a short text.
const textLimit = 2 * time.Minute

// readRemote reads a text of another system.
func readRemote(ctx context.Context, s exec.Session, from Place, most int) ([]byte, error) {
	login, err := LoginAt(ctx, s, from)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, textLimit)
	defer cancel()
	var text Text
	err = files(ctx, s, "text", TextRequest{from, login, most}, &text)
	return text.Data, err
}
