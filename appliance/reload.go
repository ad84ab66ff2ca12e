package appliance

// reload is SIGHUP: what can be read anew while clients are served is read. Each
// step logs what it did, or why what was read before stays. It is called on the
// goroutine that waits for signals, one call at a time.
func (n *Node) reload() {
	n.log.Info("reading again what can be read while clients are served")
	n.reloadCertificates()
	n.reloadCredentials()
}
