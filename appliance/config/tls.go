package config

// verifyModes are what OpenSSL calls the modes 0 to 3 of ssl_verify_mode: peer
// 1, fail if there is no certificate 2, once 4.
var verifyModes = [...]int{0, 1, 1 | 2, 1 | 2 | 4}

// minVersions are the versions 0 to 3 of ssl_min_version as `stats settings` names them.
var minVersions = [...]string{"tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3"}

func setVerifyMode(p *parser, v string) *Exit {
	n, ok := safeStrtol(v)
	if !ok {
		return parsed("ssl_verify_mode", false)
	}
	if n < 0 || n >= len(verifyModes) {
		return fail(ExitFailure, "Invalid ssl_verify_mode. Use help to see valid options.")
	}
	p.tls.VerifyMode = n
	return nil
}

func setKeyFormat(p *parser, v string) *Exit {
	n, ok := safeStrtol(v)
	p.tls.KeyFormat = n
	return parsed("ssl_keyformat", ok)
}

func setWbufSize(p *parser, v string) *Exit {
	n, ok := safeStrtoul(v)
	p.c.Memcache.Settings.SSLWbufSize = int(uint32(n << 10)) // kilobytes, in memcached's 32 bits
	return parsed("ssl_wbuf_size", ok)
}

func setSessionCache(p *parser, _ string) *Exit {
	p.tls.SessionCache = true
	return nil
}

func setKernelTLS(p *parser, _ string) *Exit {
	p.c.Memcache.Settings.SSLKernelTLS = true
	return nil
}

func setMinVersion(p *parser, v string) *Exit {
	n, ok := safeStrtol(v)
	if !ok {
		return parsed("ssl_min_version", false)
	}
	if n < 0 || n >= len(minVersions) {
		return fail(ExitFailure, "Invalid ssl_min_version. Use help to see valid options.")
	}
	p.tls.MinVersion = n
	return nil
}

// finishTLS completes what -Z and the ssl_ names said.
func (p *parser) finishTLS() *Exit {
	s := &p.c.Memcache.Settings
	s.SSLEnabled = p.tlsOn
	s.SSLChainCert, s.SSLKey, s.SSLCACert, s.SSLCiphers = p.tls.ChainCert, p.tls.Key, p.tls.CACert, p.tls.Ciphers
	s.SSLVerifyMode, s.SSLKeyFormat = verifyModes[p.tls.VerifyMode], p.tls.KeyFormat
	s.SSLSessionCache, s.SSLMinVersion = p.tls.SessionCache, minVersions[p.tls.MinVersion]
	if !p.tlsOn {
		return nil
	}
	if p.port == 0 {
		return fail(ExitUsage, "ERROR: You cannot enable SSL without a TCP port.")
	}
	t := p.tls
	p.c.TLS = &t
	return nil
}
