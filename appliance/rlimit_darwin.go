package appliance

// rlimitValue is a number as a resource limit has it here.
func rlimitValue(n uint64) uint64 { return n }
