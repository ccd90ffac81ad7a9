package models

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"
)

// TreePart is a run of the Merkle tree's stored hashes, as one batch wrote it.
type TreePart struct {
	First  int64 `gorm:"primaryKey;autoIncrement:false"` // storage index of the first hash
	Hashes []byte
}

// TableName is ledger_tree.
func (TreePart) TableName() string { return "ledger_tree" }

// storageIndex is where the hashes of record n begin in tlog's order.
func storageIndex(n int64) int64 { return tlog.StoredHashCount(n) }

// growTree adds record n to a tree of n records. edge holds the hashes of the
// complete subtrees along the tree's right edge, largest first, one for each
// bit that is set in n. It returns the hashes to store, in tlog's order, and
// the new edge.
func growTree(edge []byte, n int64, leaf []byte) (stored, next []byte) {
	h := tlog.RecordHash(leaf)
	next = append([]byte(nil), edge...)
	stored = append(stored, h[:]...)
	for ; n&1 == 1; n >>= 1 {
		var left tlog.Hash
		copy(left[:], next[len(next)-tlog.HashSize:])
		next = next[:len(next)-tlog.HashSize]
		h = tlog.NodeHash(left, h)
		stored = append(stored, h[:]...)
	}
	return stored, append(next, h[:]...)
}

// rootOf is the tree's hash, read off its right edge.
func rootOf(edge []byte) tlog.Hash {
	if len(edge) < tlog.HashSize {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	at := len(edge) - tlog.HashSize
	var h tlog.Hash
	copy(h[:], edge[at:])
	for at -= tlog.HashSize; at >= 0; at -= tlog.HashSize {
		var left tlog.Hash
		copy(left[:], edge[at:at+tlog.HashSize])
		h = tlog.NodeHash(left, h)
	}
	return h
}

var errNoHash = errors.New("a hash is missing from the tree")

// storedHashes reads the tree's hashes from the database, for proofs.
func storedHashes(db *gorm.DB) tlog.HashReader {
	var part TreePart // the last one read: most are asked of one after the other
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			if index < part.First || index >= part.First+int64(len(part.Hashes)/tlog.HashSize) {
				part = TreePart{}
				if err := db.Where("first <= ?", index).Order("first desc").Limit(1).Find(&part).Error; err != nil {
					return nil, err
				}
			}
			at := int(index-part.First) * tlog.HashSize
			if at < 0 || at+tlog.HashSize > len(part.Hashes) {
				return nil, fmt.Errorf("%w: %d", errNoHash, index)
			}
			copy(out[i][:], part.Hashes[at:])
		}
		return out, nil
	})
}

// Tree is the ledger's Merkle tree as it stands.
type Tree struct {
	Size int64
	Root tlog.Hash
}

// Tree reads size and root of the tree.
func (s *Store) Tree(ctx context.Context) (Tree, error) {
	var head Head
	if err := s.read.WithContext(ctx).First(&head, "id = 1").Error; err != nil {
		return Tree{}, wrap("read tree", err)
	}
	if err := head.check(); err != nil {
		return Tree{}, wrap("read tree", err)
	}
	return Tree{Size: head.Size, Root: rootOf(head.Edge)}, nil
}
