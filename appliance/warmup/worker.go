package warmup

import (
	"context"
	"fmt"
	"io"
	"time"
)

// batchesUnderWay is how far asking may be ahead of carrying, and carrying of
// confirming: enough that neither side of the network waits for the other.
const batchesUnderWay = 4

// A batch is a row of requests, ended by mn.
type batch struct{ keys [][]byte }

// A worker carries items over a connection to either side. Three goroutines
// serve it: ask writes to the source, carry reads from there and writes to the
// target, confirm reads from the target.
type worker struct {
	*run
	source, target *peer
	asked          chan batch
	begun          chan struct{} // a batch is on its way to the target
	carried        chan int64    // it is there: so many items of it were sent
	head           []byte        // scratch of carry
}

func newWorker(r *run, source, target *peer) *worker {
	return &worker{
		run: r, source: source, target: target,
		asked:   make(chan batch, batchesUnderWay),
		begun:   make(chan struct{}, batchesUnderWay),
		carried: make(chan int64, batchesUnderWay+1),
	}
}

// ask turns keys into requests.
func (w *worker) ask(ctx context.Context) error {
	defer close(w.asked)
	for {
		block, err := w.spool.take()
		if block == nil || err != nil {
			return err
		}
		for len(block) > 0 {
			var b batch
			for len(b.keys) < w.pace.batchLen() {
				var key []byte
				if key, block = nextKey(block); key == nil {
					break
				}
				b.keys = append(b.keys, key)
			}
			if len(b.keys) == 0 {
				break
			}
			if err := w.request(ctx, b); err != nil {
				return err
			}
		}
	}
}

// request sends a batch, when its turn has come.
func (w *worker) request(ctx context.Context, b batch) error {
	w.pace.wait(ctx, len(b.keys))
	select {
	case w.asked <- b:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	buffer := w.source.w.AvailableBuffer()
	for i, key := range b.keys {
		buffer = AppendGet(buffer, key, i)
	}
	w.source.w.Write(append(buffer, end...))
	return w.source.w.Flush()
}

// carry turns values into stores.
func (w *worker) carry(ctx context.Context) error {
	defer close(w.begun)
	for b := range w.asked {
		select {
		case w.begun <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		sent, err := w.answer(b)
		if err != nil {
			return err
		}
		w.target.w.WriteString(end)
		if err := w.target.w.Flush(); err != nil {
			return err
		}
		w.carried <- sent // has room: for what begun has, and the one that confirm took from there
	}
	return nil
}

// answer takes the replies to a batch. Whoever is not answered is not there.
func (w *worker) answer(b batch) (sent int64, err error) {
	vanished := int64(len(b.keys))
	for {
		r, err := w.source.reply()
		if err != nil {
			return sent, err
		}
		switch r.Kind {
		case ReplyEnd:
			w.progress.add(Vanished, max(vanished, 0))
			return sent, nil
		case ReplyMiss:
			continue // a source that does not mind q
		case ReplyError:
			w.progress.refuse(Unanswered, r.Text)
		case ReplyValue:
			stored, err := w.value(b, &r)
			if err != nil {
				return sent, err
			}
			if stored {
				sent++
			}
		default:
			return sent, fmt.Errorf("%s: %w: %.80q", w.source.name, ErrReply, r.Text)
		}
		vanished--
	}
}

// value passes one value on, or over.
func (w *worker) value(b batch, r *Reply) (stored bool, err error) {
	if r.Request < 0 || r.Request >= len(b.keys) {
		return false, fmt.Errorf("%s: %w: %.80q", w.source.name, ErrReply, r.Text)
	}
	switch {
	case r.Stale:
		w.progress.add(Stale, 1)
		return false, w.source.skip(r.SizeBytes)
	case r.expiring():
		w.progress.add(Expiring, 1)
		return false, w.source.skip(r.SizeBytes)
	}
	w.head = AppendSet(w.head[:0], b.keys[r.Request], r, time.Now(), w.mode)
	size := r.SizeBytes // r borrows from the reader, which now moves on
	w.target.w.Write(w.head)
	if _, err := io.CopyN(w.target.w, w.source.r, int64(size)+2); err != nil {
		return false, w.source.lost(err)
	}
	w.progress.bytes.Add(int64(size))
	return true, nil
}

// skip reads over a value.
func (p *peer) skip(size int) error {
	_, err := p.r.Discard(size + 2)
	return p.lost(err)
}

// confirm takes the target's replies, as they come: a target whose replies are
// not read stops reading.
func (w *worker) confirm(ctx context.Context) error {
	for range w.begun {
		failed, err := w.failures()
		if err != nil {
			return err
		}
		select {
		case sent := <-w.carried:
			w.progress.add(Stored, sent-failed)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// failures takes the replies to a batch: what was stored has none.
func (w *worker) failures() (failed int64, err error) {
	for {
		r, err := w.target.reply()
		if err != nil {
			return failed, err
		}
		switch r.Kind {
		case ReplyEnd:
			return failed, nil
		case ReplyStored:
			continue // a target that does not mind q
		case ReplyKept:
			w.progress.add(Kept, 1)
		case ReplyError:
			w.progress.refuse(refused(r.Text), r.Text)
		default:
			return failed, fmt.Errorf("%s: %w: %.80q", w.target.name, ErrReply, r.Text)
		}
		failed++
	}
}

// refused sorts a target's errors.
func refused(text []byte) Outcome {
	switch string(text) {
	case "SERVER_ERROR object too large for cache":
		return TooLarge
	case "SERVER_ERROR out of memory storing object":
		return NoMemory
	}
	return Refused
}
