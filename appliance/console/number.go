package console

import (
	"fmt"
	"strconv"
	"time"
)

// Count is a number with commas between thousands; small fractions show.
func Count(v float64) string {
	if v < 0 {
		return "-" + Count(-v)
	}
	if v > 0 && v < 0.05 {
		return "<0.1"
	}
	if v > 0 && v < 9.95 && v != float64(int64(v)) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// Bytes is a number of bytes, in units of 1,000.
func Bytes(v float64) string {
	const units = "kMGTPE"
	if v < 0 {
		return "-" + Bytes(-v)
	}
	if v < 999.5 {
		return fmt.Sprintf("%.0f B", v)
	}
	unit := 0
	for v /= 1000; v >= 999.95 && unit < len(units)-1; unit++ {
		v /= 1000
	}
	return fmt.Sprintf("%.1f %cB", v, units[unit])
}

// Share is a part of 1 as a percentage.
func Share(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" }

// Duration is a short time in three digits.
func Duration(d time.Duration) string {
	units := []struct {
		of   time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}}
	for _, u := range units {
		if d >= u.of {
			return digits(float64(d)/float64(u.of)) + " " + u.name
		}
	}
	return strconv.Itoa(int(d)) + " ns"
}

// digits writes three of them.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// Span is a long time, to the second.
func Span(seconds int64) string {
	const day = 24 * 60 * 60
	days := ""
	if seconds >= day {
		days = fmt.Sprintf("%d d ", seconds/day)
	}
	return fmt.Sprintf("%s%02d:%02d:%02d", days, seconds%day/3600, seconds%3600/60, seconds%60)
}
