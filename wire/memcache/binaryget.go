package memcache

import (
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

func packetGet(w *worker, _ *session, c *binary.Command) progress {
	return w.packetValue(c, keys{packet: true, named: c.WithKey})
}

func packetGAT(w *worker, _ *session, c *binary.Command) progress {
	expiresAtMS := w.server.momentMS(int64(w.asked.NewExpiry()), w.now)
	return w.packetValue(c, keys{packet: true, named: c.WithKey, touch: true, expiresAtMS: expiresAtMS})
}

func (w *worker) packetValue(c *binary.Command, k keys) progress {
	q := &w.asked
	got := w.value(q.Key, &k)
	switch {
	case got == awaited:
		w.unread = binary.HeaderLen + int(q.ExtrasLen) + int(q.KeyLen)
		return awaiting
	case got == hit || c.Quiet:
		return finished
	case c.WithKey: // instead of a text
		n := len(q.Key)
		w.out.Buf = append(q.AppendHeader(w.out.Buf, binary.NotFound, 0, n, n, 0), q.Key...)
		return finished
	}
	return w.answer(binary.NotFound)
}

// appendPacketItem answers with a locked item.
func (w *worker) appendPacketItem(l *slab.Locked, it slab.Item, n int, key []byte, k *keys) {
	if !k.named {
		key = nil
	}
	w.out.Buf = w.asked.AppendItemHeader(w.out.Buf, it.Flags(), key, n, w.cas(it))
	w.appendBytes(l, it, n)
}

// appendPacketHead answers with what comes before a locked item's value.
func (w *worker) appendPacketHead(it slab.Item, n int, key []byte, k *keys) {
	if !k.named {
		key = nil
	}
	w.out.Buf = w.asked.AppendItemHeader(w.out.Buf, it.Flags(), key, n, w.cas(it))
}

// packetTouch is gat without the value. As in memcached, statistics by prefix take
// it for a get.
func packetTouch(w *worker, _ *session, _ *binary.Command) progress {
	q := &w.asked
	o, flags, cas := w.postpone(q.Key, w.server.momentMS(int64(q.NewExpiry()), w.now))
	if w.server.prefixes.enabled.Load() {
		w.server.prefixes.get(w.server.config.StatsPrefix, q.Key, o != notFound)
	}
	switch o {
	case notFound:
		return w.answer(binary.NotFound)
	case noMemory:
		return w.answer(binary.OutOfMemory)
	}
	w.out.Buf = q.AppendItemHeader(w.out.Buf, flags, nil, 0, cas)
	return finished
}

// foreseePackets is foresight of binary requests.
func (w *worker) foreseePackets(in []byte) (seen int) {
	f := &w.ahead
	f.count, f.next = 0, 0
	in = in[:min(len(in), foresightBytes)]
	for f.count < foresightMax && seen < len(in) {
		key, n := binary.Peek(in[seen:])
		if n == 0 {
			break
		}
		if len(key) > 0 && len(key) <= binary.MaxKey {
			f.keys[f.count] = w.handle.Key(0, key)
			f.count++
		}
		seen += n
	}
	if f.count > 1 {
		w.handle.Foresee(f.keys[:f.count])
	}
	return max(seen, 1)
}
