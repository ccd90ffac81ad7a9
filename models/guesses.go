package models

import (
	"context"
	"errors"

	"gorm.io/gorm"
)

// Guesses is how often something was guessed at, in a form that is its purpose's own.
type Guesses struct {
	Purpose string `gorm:"primaryKey"`
	Name    string `gorm:"primaryKey"`
	State   int64  // never 0: there is no row then
}

// Mark reads the state of a name, 0 if it has none.
func (s *Store) Mark(ctx context.Context, purpose, name string) (int64, error) {
	var row Guesses
	err := s.read.WithContext(ctx).Take(&row, "purpose = ? and name = ?", purpose, name).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return 0, nil
	}
	return row.State, wrap("read guesses", err)
}

// SwapMark changes the state of a name from was to next, on all replicas at once, and
// reports whether it was that. 0 stands for none.
func (s *Store) SwapMark(ctx context.Context, purpose, name string, was, next int64) (bool, error) {
	db := s.write.WithContext(ctx)
	switch {
	case was == next:
		return true, nil
	case was == 0:
		db = db.Exec("insert into guesses (purpose, name, state) values (?, ?, ?) on conflict do nothing", purpose, name, next)
	case next == 0:
		db = db.Exec("delete from guesses where purpose = ? and name = ? and state = ?", purpose, name, was)
	default:
		db = db.Exec("update guesses set state = ? where purpose = ? and name = ? and state = ?", next, purpose, name, was)
	}
	return db.RowsAffected == 1, wrap("count guesses", db.Error)
}
