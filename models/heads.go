package models

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm/clause"
)

// SignedHead is a signed statement of how large the ledger was and what it
// held. Kept off the host, it convicts whoever rewrites what came before.
type SignedHead struct {
	Size int64  `gorm:"primaryKey;autoIncrement:false" json:"size"`
	At   int64  `json:"at"` // unix milliseconds
	Note string `json:"note"`
}

// TableName is ledger_heads.
func (SignedHead) TableName() string { return "ledger_heads" }

// LatestHead is the newest signed head. ErrNotFound if none was signed yet.
func (s *Store) LatestHead(ctx context.Context) (*SignedHead, error) {
	var h SignedHead
	err := s.read.WithContext(ctx).Order("size desc").First(&h).Error
	return &h, wrap("read head", err)
}

// SignHead signs the tree as it stands, if it grew since the last head.
func (s *Store) SignHead(ctx context.Context, signer note.Signer) error {
	err := s.signHead(ctx, signer)
	mark(&s.pulse.headSigned, err)
	return err
}

func (s *Store) signHead(ctx context.Context, signer note.Signer) error {
	tree, err := s.Tree(ctx)
	if err != nil || tree.Size == 0 {
		return err
	}
	var have int64
	if err := s.read.WithContext(ctx).Model(&SignedHead{}).Where("size = ?", tree.Size).Count(&have).Error; err != nil || have > 0 {
		return wrap("sign head", err)
	}
	text := tlog.FormatTree(tlog.Tree{N: tree.Size, Hash: tree.Root})
	signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
	if err != nil {
		return fmt.Errorf("sign head: %w", err)
	}
	row := SignedHead{Size: tree.Size, At: s.now().UnixMilli(), Note: string(signed)}
	return wrap("sign head", s.write.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error)
}
