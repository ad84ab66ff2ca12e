package appliance

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/appliance/credentials"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache"
)

// ErrSASL is why -S could not be had.
var ErrSASL = errors.New("Error initializing sasl.") //lint:ignore ST1005 memcached's sentence

// authLogEvery is the shortest time between two lines about failed attempts: who
// guesses passwords does not fill the log.
const authLogEvery = time.Second

// authentication is who may come in, and who tried.
type authentication struct {
	tokens *credentials.Tokens // -Y; nil: none
	sasl   *credentials.SASL   // -S; nil: none

	loggedAt atomic.Int64 // Unix nanoseconds
	silent   atomic.Int64 // attempts that were not logged since
}

// openCredentials reads what the configuration names, and tells the sessions.
func (n *Node) openCredentials(env *memcache.Env) (err error) {
	c, a := &n.config, &n.auth
	if c.AuthFile != "" {
		if a.tokens, err = credentials.OpenTokens(c.AuthFile); err != nil {
			return err
		}
		env.Token = a.tokens.Check
		n.log.Info("clients must authenticate", "file", c.AuthFile, "users", a.tokens.Users())
		warnReadable(n.log, c.AuthFile)
	}
	if c.SASL {
		if a.sasl, err = credentials.OpenSASL(os.Getenv, n.log); err != nil {
			return fmt.Errorf("%w\n%w", err, ErrSASL)
		}
		env.SASL = a.sasl
		n.log.Info("clients must authenticate", "sasl", a.sasl.Mechanisms())
	}
	env.AuthFailed = n.authFailed
	return nil
}

// warnReadable tells of a file of passwords that everybody on this host can read.
func warnReadable(log *slog.Logger, name string) {
	if info, err := os.Stat(name); err == nil && info.Mode()&0o004 != 0 {
		log.Info("every user of this host can read the passwords", "file", name)
	}
}

// reloadCredentials reads the files again. memcached says nothing of it, whether
// it works or not.
func (n *Node) reloadCredentials() {
	a := &n.auth
	if a.tokens != nil {
		if err := a.tokens.Reload(); err != nil {
			n.log.Warn("the users stay as they were", "error", err)
		} else {
			n.log.Info("users were read again", "users", a.tokens.Users())
		}
	}
	if a.sasl != nil {
		a.sasl.Reload()
		n.log.Info("SASL's passwords were read again")
	}
}

// authFailed hears of a failed attempt, on a loop.
func (n *Node) authFailed(peer *wire.Peer) {
	a, now := &n.auth, time.Now().UnixNano()
	last := a.loggedAt.Load()
	if now-last < int64(authLogEvery) || !a.loggedAt.CompareAndSwap(last, now) {
		a.silent.Add(1)
		return
	}
	n.log.Warn("a client failed to authenticate", "client", peer.Remote, "network", peer.Network, "others_since_last", a.silent.Swap(0))
}
