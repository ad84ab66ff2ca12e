package warmup

import (
	"encoding/base64"
	"strconv"
	"time"
)

const (
	// relativeMaxS is where memcached begins to read a TTL as a point in time.
	relativeMaxS = 60 * 60 * 24 * 30 // REALTIME_MAXDELTA

	// ttlMaxS is beyond every TTL there can be: memcached prints a time that has
	// just passed as a number near 2^32.
	ttlMaxS = 1<<31 - 1
)

// end asks a server to say MN when it has answered everything before.
const end = "mn\r\n"

// textual reports whether a command line can carry key as it is.
func textual(key []byte) bool {
	for _, c := range key {
		switch c {
		case 0, ' ', '\r', '\n':
			return false
		}
	}
	return true
}

// reachable reports whether a command line can carry key at all.
func reachable(key []byte) bool {
	return textual(key) || base64.StdEncoding.EncodedLen(len(key)) <= keyMax
}

// AppendGet appends the request for a key's value, flags and remaining TTL,
// which leaves the item where it is in the order of eviction (u) and is not
// answered when there is none (q). The number comes back with the reply.
//
// The key is asked back (k) only to learn whether it was set in base64, which a
// reply says by b after it; a key that text cannot carry might come back as it
// is and break the line, and can be set in base64 only.
func AppendGet(dst, key []byte, number int) []byte {
	dst = append(dst, "mg "...)
	if textual(key) {
		dst = append(dst, key...)
		dst = append(dst, " v f t k q u O"...)
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, key)
		dst = append(dst, " b v f t q u O"...)
	}
	dst = strconv.AppendInt(dst, int64(number), 10)
	return append(dst, "\r\n"...)
}

// expiring reports whether an item is as good as gone.
func (r *Reply) expiring() bool { return r.TTLS == 0 || r.TTLS > ttlMaxS }

// AppendSet appends the head of the request that stores the value of r; its
// bytes and CRLF are to follow. It is answered only when it fails (q).
func AppendSet(dst, key []byte, r *Reply, now time.Time, mode byte) []byte {
	binary := r.Binary || !textual(key)
	dst = append(dst, "ms "...)
	if binary {
		dst = base64.StdEncoding.AppendEncode(dst, key)
	} else {
		dst = append(dst, key...)
	}
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(r.SizeBytes), 10)
	if binary {
		dst = append(dst, " b"...)
	}
	dst = append(dst, " T"...)
	dst = strconv.AppendInt(dst, r.expiry(now), 10)
	dst = append(dst, " F"...)
	dst = strconv.AppendUint(dst, r.Flags, 10)
	dst = append(dst, " M"...)
	dst = append(dst, mode)
	return append(dst, " q\r\n"...)
}

// expiry is the TTL as a command takes it: 0 is never, and what is further away
// than a month is a point in time.
func (r *Reply) expiry(now time.Time) int64 {
	switch {
	case r.TTLS < 0:
		return 0
	case r.TTLS > relativeMaxS:
		return now.Unix() + r.TTLS
	}
	return r.TTLS
}
