package dio

import "errors"

var (
	// ErrInUse: another process holds the folder's lock.
	ErrInUse = errors.New("dio: the folder is in use by another process")
	// ErrUnaligned: a file opened with Direct wants multiples of BlockSize.
	ErrUnaligned = errors.New("dio: buffer, offset and length must be multiples of the block size")
	// ErrSyncFailed: an earlier Sync of this file failed; what it covered may be lost.
	ErrSyncFailed = errors.New("dio: an earlier sync failed, and what it covered may be lost")
	// ErrPoolBusy: PoolQueueMax calls are waiting already.
	ErrPoolBusy = errors.New("dio: too many calls wait for the disk")
	// ErrPoolClosed: the Pool is closed, or closing.
	ErrPoolClosed = errors.New("dio: the pool is closed")
)
