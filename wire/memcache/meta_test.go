package memcache

import (
	"strings"
	"testing"
)

func TestMetaGetFlags(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("mg k\r\nmg k v\r\nmg k q\r\nmg k k O1 q\r\nmg k k O1\r\nmn\r\n", "EN\r\nEN\r\nEN kk O1\r\nMN\r\n")
	p.want("set k 5 100 3\r\nabc\r\nmg k\r\nmg k v\r\nmg k q\r\nmg k v q\r\n", "STORED\r\nHD\r\nVA 3\r\nabc\r\nHD\r\nVA 3\r\nabc\r\n")
	p.want("mg k s f t k Oxyz h l v P L\r\n", "VA 3 s3 f5 t100 kk Oxyz h1 l0\r\nabc\r\n")
	p.want("mg k t T50 T9\r\n", "CLIENT_ERROR duplicate flag\r\n")
	p.want("mg k t T50\r\nmg k T0 t\r\nmg k T-1 v\r\nmg k\r\n", "HD t100\r\nHD t-1\r\nVA 3\r\nabc\r\nEN\r\n")
}

// TestMetaConditional: mg C leaves the value out when the token matches.
func TestMetaConditional(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("set k 0 0 3\r\nabc\r\n", "STORED\r\n")
	token := tokenOf(t, p, "k")
	p.want("mg k v C"+token+"\r\nmg k v C1\r\n", "HD\r\nVA 3\r\nabc\r\n")
	old := newRig(t, Config{Compat: Compat1618}).dial()
	old.want("set k 0 0 3\r\nabc\r\n", "STORED\r\n")
	old.want("mg k v C"+tokenOf(t, old, "k")+"\r\n", "VA 3\r\nabc\r\n")
}

// TestLease is the anti-stampede game: vivify, win, lose, fill, recache, stale.
func TestLease(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("mg k s v N30 t\r\n", "VA 0 s0 t30 W\r\n\r\n")
	p.want("mg k s v N30 t\r\n", "VA 0 s0 t30 Z\r\n\r\n")
	token := tokenOf(t, p, "k")
	p.want("ms k 2 C5000 T120\r\nnu\r\n", "EX\r\n")
	p.want("ms k 2 C"+token+" T120\r\nmu\r\n", "HD\r\n")
	p.want("mg k t v N30\r\n", "VA 2 t120\r\nmu\r\n")
	p.want("mg k R120\r\nmg k R121 v\r\nmg k R121\r\n", "HD\r\nVA 2 W\r\nmu\r\nHD Z\r\n")
	p.want("ms k 4 T300\r\nzuuu\r\nmg k v\r\n", "HD\r\nVA 4\r\nzuuu\r\n")
	p.want("md k I T30\r\n", "HD\r\n")
	if again := tokenOf(t, p, "k"); again == token {
		t.Error("md I left the token as it was")
	}
}

func TestStale(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("set k 0 0 3\r\nmoo\r\nmd k I T30\r\n", "STORED\r\nHD\r\n")
	p.want("mg k t v\r\nmg k v\r\n", "VA 3 t30 X W\r\nmoo\r\nVA 3 Z X\r\nmoo\r\n")
	// Too low a token stores nothing without I, and a stale item with it.
	p.want("ms k 1 T90 C1\r\nf\r\n", "EX\r\n")
	r.nowMS += 5_000
	p.want("ms k 1 I T90 C1\r\nf\r\nmg k t v\r\n", "HD\r\nVA 1 t25 Z X\r\nf\r\n")
	p.want("ms k 1 T90 C"+tokenOf(t, p, "k")+"\r\ng\r\nmg k t v\r\n", "HD\r\nVA 1 t90\r\ng\r\n")
	// Without another expiry the filled item is stored as it is.
	p.want("set j 0 90 1\r\na\r\nms j 1 I T90 C1\r\nb\r\nmg j t v\r\n", "STORED\r\nHD\r\nVA 1 t90 X W\r\nb\r\n")
}

func TestMetaSetModes(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("ms k 2 MR\r\nzz\r\nms k 2 ME\r\naa\r\nms k 2 ME\r\nbb\r\n", "NS\r\nHD\r\nNS\r\n")
	p.want("ms k 2 MA s\r\ncc\r\nms k 2 MP s\r\n00\r\nmg k v\r\n", "HD s4\r\nHD s6\r\nVA 6\r\n00aacc\r\n")
	p.want("ms k 2 MA C1\r\ndd\r\nms k 2 MR C1\r\ndd\r\n", "EX\r\nEX\r\n")
	p.want("ms k 2 MA C"+tokenOf(t, p, "k")+"\r\ndd\r\nmg k v\r\n", "HD\r\nVA 8\r\n00aaccdd\r\n")
	p.want("ms new 2 MA\r\nhi\r\nms new 2 MA N60 s\r\nhi\r\nmg new t v\r\nms new 1 MP N90\r\n>\r\nmg new t v\r\n",
		"NS\r\nHD s2\r\nVA 2 t60\r\nhi\r\nHD\r\nVA 3 t60\r\n>hi\r\n")
	p.want("ms k 1 F5 T100 E4711 c\r\nx\r\nmg k f t c\r\n", "HD c4711\r\nHD f5 t100 c4711\r\n")
	p.want("ms k 1 c C4710\r\nx\r\n", "EX c0\r\n")
}

func TestMetaDelete(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("md k\r\nmd k q\r\nmd k k O1\r\n", "NF\r\nNF\r\nNF kk O1\r\n")
	p.want("set k 0 0 1\r\nx\r\nmd k C1\r\nmd k q\r\nmd k\r\n", "STORED\r\nEX\r\nNF\r\n")
	p.want("set k 9 50 5\r\nhello\r\n", "STORED\r\n")
	token := tokenOf(t, p, "k")
	p.want("md k x\r\nmg k v f t c\r\n", "HD\r\nVA 0 f0 t-1 c"+token+"\r\n\r\n")
	p.want("md k x I T40 E99\r\nmg k v t c\r\n", "HD\r\nVA 0 t40 c99 X W\r\n\r\n")
	p.want("md k I E100\r\nmg k c\r\n", "HD\r\nHD c100 X W\r\n")
}

func TestMetaArithmetic(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("ma n\r\nma n q\r\nma n k O1\r\n", "NF\r\nNF\r\nNF kn O1\r\n")
	p.want("ma n N90 J13 v t\r\nma n N90 J13 v t\r\n", "VA 2 t90\r\n13\r\nVA 2 t90\r\n14\r\n")
	p.want("ma m t N90 v\r\nma m t T20 v\r\n", "VA 1 t-1\r\n0\r\nVA 1 t90\r\n1\r\n")
	p.want("ma n v D30\r\nma n v MD D22\r\nma n v M- D9000\r\nma n v M+\r\nma n v MI\r\n", "VA 2\r\n44\r\nVA 2\r\n22\r\nVA 1\r\n0\r\nVA 1\r\n1\r\nVA 1\r\n2\r\n")
	p.want("ma n q\r\nma n N0 C99999 v\r\n", "EX\r\n")
	p.want("ma n v C"+tokenOf(t, p, "n")+"\r\n", "VA 1\r\n4\r\n")
	p.want("ma n T200 t v\r\nma n E55 c\r\nmg n c t v\r\n", "VA 1 t200\r\n5\r\nHD c55\r\nVA 2 c55 t200\r\n6 \r\n")
	p.want("set x 0 0 1\r\nx\r\nma x\r\nma n Mx\r\nma n Dx\r\n", "STORED\r\n"+replyNonNumeric+"CLIENT_ERROR invalid mode for ma M token\r\n"+replyFlags)
	// A number that grows longer keeps the expiry that it had.
	p.want("set g 0 50 1\r\n9\r\nma g T200 t v\r\nmg g t\r\n", "STORED\r\nVA 2 t200\r\n10\r\nHD t50\r\n")
}

func TestEncodedKeys(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("ms Zm9vIGJhcg== 2 b k\r\nhi\r\nmg Zm9vIGJhcg== b v k\r\n", "HD kZm9vIGJhcg== b\r\nVA 2 kZm9vIGJhcg== b\r\nhi\r\n")
	p.want("ms Zm9v 2 b\r\nhi\r\nmg foo k\r\nget foo\r\n", "HD\r\nHD kZm9v b\r\nVALUE foo 0 2\r\nhi\r\nEND\r\n")
	p.want("ma Zm9v b k\r\nmd Zm9v b k O5\r\n", replyNonNumeric+"HD kZm9v b O5\r\n")
	p.want("mg nope b k\r\nmg abcd= b\r\n", "EN knope b\r\n"+"CLIENT_ERROR error decoding key\r\n")
}

func TestOpaqueTooLong(t *testing.T) {
	p := newRig(t, Config{}).dial()
	long, fits := " O"+strings.Repeat("o", 32), " O"+strings.Repeat("o", 31)
	p.want("set k 0 0 1\r\n1\r\n", "STORED\r\n")
	for _, command := range []string{"mg k%", "mg nope%", "md k%", "ma k%", "mg made N30%"} {
		p.want(strings.Replace(command, "%", long, 1)+"\r\n", replyOpaque)
	}
	p.want("ms k 2"+long+"\r\nhi\r\n", replyOpaque)
	p.want("mg k v"+fits+"\r\nmg made t\r\n", "VA 1"+fits+"\r\n2\r\nHD t30\r\n") // ma had counted
}
