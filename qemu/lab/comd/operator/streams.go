package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"causeway/appliance/com/wire"
)

// Fetch brings a file of a box into a file of this computer, from where that ends
// on: what came before a link was cut is not fetched again, unless the box's file
// does not begin with it. It gives the size of the whole and what came now, in
// octets.
func (c *Client) Fetch(ctx context.Context, serial, name string, into *os.File) (size, came int64, err error) {
	size, came, err = c.fetchRest(ctx, serial, name, into)
	if errors.Is(err, errOther) && came < size {
		if err := into.Truncate(0); err != nil {
			return 0, 0, err
		}
		size, came, err = c.fetchRest(ctx, serial, name, into)
	}
	if err == nil {
		err = into.Sync()
	}
	if err != nil {
		return size, came, fmt.Errorf("fetch %s: %w", name, err)
	}
	return size, came, nil
}

// beyond is how a box refuses to begin behind the end of a file: invalid
// parameters (JSON-RPC 2.0 §5.1).
const beyond = -32602

// errOther says that what was fetched is not the box's file.
var errOther = errors.New("it has another SHA-256 than the box says")

// fetchRest fetches what is missing, and checks the whole.
func (c *Client) fetchRest(ctx context.Context, serial, name string, into *os.File) (size, came int64, err error) {
	offset, err := into.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, 0, err
	}
	stream, answer, err := c.Open(ctx, serial, wire.StreamFile, wire.File{Path: name, Offset: offset})
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Code == beyond && offset > 0 {
		return offset, 0, errOther // it is shorter now
	}
	if err != nil {
		return 0, 0, err
	}
	defer stream.Close()
	came, err = io.Copy(into, stream)
	if size = offset + came; err != nil {
		return size, came, err
	}
	if size != answer.Size {
		return size, came, fmt.Errorf("%d of %d octets came: %w", size, answer.Size, io.ErrUnexpectedEOF)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(into, 0, size)); err != nil {
		return size, came, err
	}
	if answer.SHA != "" && hex.EncodeToString(sum.Sum(nil)) != answer.SHA {
		return size, came, errOther
	}
	return size, came, nil
}

// Tunnel carries each connection of a listener to a server of the box, wire.ToWeb
// or wire.ToSSH, until the context ends; the listener is closed then. What
// becomes of a connection that cannot be carried, report is told.
func (c *Client) Tunnel(ctx context.Context, serial, to string, listener net.Listener, report func(error)) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	defer listener.Close()
	var carried sync.WaitGroup
	defer carried.Wait()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		carried.Go(func() {
			defer conn.Close()
			if err := c.carry(ctx, serial, to, conn); err != nil {
				report(err)
			}
		})
	}
}

// carry carries one connection until either side ends it.
func (c *Client) carry(ctx context.Context, serial, to string, conn net.Conn) error {
	stream, _, err := c.Open(ctx, serial, wire.StreamTCP, wire.TCP{To: to})
	if err != nil {
		return err
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		io.Copy(stream, conn)
		stream.Close()
	}()
	io.Copy(conn, stream) // either side may end it at any time
	conn.Close()
	<-up
	return nil
}
