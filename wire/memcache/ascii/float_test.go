package ascii

import (
	"strings"
	"testing"
)

// floats are texts and what C's strtod (glibc 2.36) makes of them, as safe_strtod
// asks it.
var floats = []struct {
	text  string
	ok    bool
	shown string
}{
	{"", false, "0.000"},
	{"1", true, "1.000"},
	{"0.5", true, "0.500"},
	{".5", true, "0.500"},
	{"5.", true, "5.000"},
	{".", false, "0.000"},
	{"+1.5", true, "1.500"},
	{"-2", true, "-2.000"},
	{"+-1", false, "0.000"},
	{"-0", true, "-0.000"},
	{"1e3", true, "1000.000"},
	{"1e", false, "0.000"},
	{"1e+", false, "0.000"},
	{"1e400", false, "0.000"},
	{"1e-400", false, "0.000"},
	{"1e-310", false, "0.000"},
	{"0e-999", true, "0.000"},
	{"0.000", true, "0.000"},
	{"0x", false, "0.000"},
	{"0x1", true, "1.000"},
	{"0x1.8", true, "1.500"},
	{"0x1p4", true, "16.000"},
	{"0x.8p1", true, "1.000"},
	{"0xg", false, "0.000"},
	{"0x0", true, "0.000"},
	{"0x0p9", true, "0.000"},
	{"inf", true, "inf"},
	{"INF", true, "inf"},
	{"-inf", true, "-inf"},
	{"infinity", true, "inf"},
	{"infinit", false, "0.000"},
	{"nan", true, "nan"},
	{"NAN", true, "nan"},
	{"-nan", true, "-nan"},
	{"nan(12)", true, "nan"},
	{"nan(", false, "0.000"},
	{"nan(-)", false, "0.000"},
	{"nanx", false, "0.000"},
	{"1_0", false, "0.000"},
	{"0x_1", false, "0.000"},
	{"1x", false, "0.000"},
	{"1,5", false, "0.000"},
	{"1.5\tz", true, "1.500"},
	{"\t 2", true, "2.000"},
	{"1.5.5", false, "0.000"},
	{"0.1e1x", false, "0.000"},
	{"1e5000", false, "0.000"},
	{"00012", true, "12.000"},
	{"1d2", false, "0.000"},
	{"e5", false, "0.000"},
	{"0e", false, "0.000"},
	{"1e-308", false, "0.000"},
	{"0x1e5", true, "485.000"},
	{"0xe", true, "14.000"},
	{"0x1p", false, "0.000"},
	{"0e5", true, "0.000"},
	{"2e308", false, "0.000"},
}

func TestFloat64(t *testing.T) {
	for _, c := range floats {
		for _, d := range []Dialect{Old, New} {
			v, ok := d.Float64([]byte(c.text))
			if ok != c.ok || string(AppendFloat(nil, v, 3)) != c.shown {
				t.Errorf("%q: %s, %v", c.text, AppendFloat(nil, v, 3), ok)
			}
		}
	}
}

func TestFloat64OfAnyLength(t *testing.T) {
	long := []byte("0." + strings.Repeat("5", 30))
	if _, ok := Old.Float64(long); !ok {
		t.Error("the old dialect takes any length")
	}
	if _, ok := New.Float64(long); ok {
		t.Error("the new dialect takes 32 bytes")
	}
}
