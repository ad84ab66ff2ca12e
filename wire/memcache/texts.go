package memcache

import "github.com/pandabeardb/panda/wire/memcache/ascii"

// Texts that more than one command answers with.
const (
	replyOK           = "OK\r\n"
	replyError        = "ERROR\r\n"
	replyEnd          = "END\r\n"
	replyStored       = "STORED\r\n"
	replyNotStored    = "NOT_STORED\r\n"
	replyExists       = "EXISTS\r\n"
	replyNotFound     = "NOT_FOUND\r\n"
	replyFormat       = ascii.ErrFormat
	replyExptime      = "CLIENT_ERROR invalid exptime argument\r\n"
	replyBadData      = "CLIENT_ERROR bad data chunk\r\n"
	replyTooLarge     = "SERVER_ERROR object too large for cache\r\n"
	replyNoMemory     = "SERVER_ERROR out of memory storing object\r\n"
	replyNonNumeric   = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
	replyOutOfMemory  = "SERVER_ERROR out of memory\r\n"
	replyOpaque       = "CLIENT_ERROR opaque token too long\r\n"
	replyBadLine      = "CLIENT_ERROR bad command line\r\n"
	replyFlagsTooMany = "CLIENT_ERROR options flags too long\r\n"
	replyFlags        = "CLIENT_ERROR invalid or duplicate flag\r\n"
)
