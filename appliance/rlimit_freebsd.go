package appliance

// rlimitValue is a number as a resource limit has it here.
func rlimitValue(n uint64) int64 { return int64(n) }
