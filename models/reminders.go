package models

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// How many days before an end whoever answers for a client is told of it, from the
// nearest on.
var (
	clientStages     = []int64{1, 7, 30}
	credentialStages = []int64{1, 3, 14}
)

const secondsADay = 24 * 3600

// Ending is something that will end: a client, or the last credential of one.
type Ending struct {
	Thing     string // id
	ClientID  string
	EndsAt    int64
	CreatedAt int64
}

// stage is the nearest of those that have begun; 0 if none has, or if the thing was only
// made when it had: whoever made it knows.
func (e *Ending) stage(now int64) int64 {
	stages := clientStages
	if HasPrefix(e.Thing, PrefixCredential) {
		stages = credentialStages
	}
	for _, days := range stages {
		if begins := e.EndsAt - days*secondsADay; now >= begins && e.CreatedAt <= begins {
			return days
		} else if now >= begins {
			return 0
		}
	}
	return 0
}

// Reminder is a row of what was told.
type Reminder struct {
	Thing  string `gorm:"primaryKey"`
	EndsAt int64  `gorm:"primaryKey;autoIncrement:false"`
	Days   int64  `gorm:"primaryKey;autoIncrement:false"`
	ToldAt int64
}

// endingClients are those that get tokens now and will get none. endingCredentials are
// those of such clients that nothing of the same client outlives, and that do not
// outlive it: what is replaced already is nothing to be told of. @thing is one of them,
// ” for all.
const (
	endingClients = `select id as thing, id as client_id, expires_at as ends_at, created_at from clients
		where status = 'active' and expires_at > @now and expires_at <= @until and (@thing = '' or id = @thing) order by id`
	endingCredentials = `select c.id as thing, c.client_id, c.expires_at as ends_at, c.created_at from credentials c join clients k on k.id = c.client_id
		where c.revoked_at = 0 and c.expires_at > @now and c.expires_at <= @until and (@thing = '' or c.id = @thing)
			and k.status = 'active' and k.expires_at > c.expires_at
			and not exists (select 1 from credentials o where o.client_id = c.client_id and o.revoked_at = 0
				and (o.expires_at > c.expires_at or o.expires_at = c.expires_at and o.id > c.id))
		order by c.id`
)

func (s *Store) endings(ctx context.Context, thing string) ([]Ending, error) {
	var all []Ending
	for _, of := range []struct {
		query string
		days  int64
	}{{endingClients, clientStages[len(clientStages)-1]}, {endingCredentials, credentialStages[len(credentialStages)-1]}} {
		var some []Ending
		now := s.Now()
		bound := map[string]any{"now": now, "until": now + of.days*secondsADay, "thing": thing}
		if err := s.read.WithContext(ctx).Raw(of.query, bound).Scan(&some).Error; err != nil {
			return nil, wrap("read what ends", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Ending tells when something ends of which a reminder spoke. ErrNotFound if it does not,
// or not soon: it was given more time, replaced, or ended before.
func (s *Store) Ending(ctx context.Context, thing string) (*Ending, error) {
	all, err := s.endings(ctx, thing)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// Remind puts into the outbox what whoever answers for a client is to be told of what
// ends: each stage of each end once, whichever replica finds it, and of several that
// have begun unnoticed only the nearest. It returns how many.
func (s *Store) Remind(ctx context.Context) (int, error) {
	all, err := s.endings(ctx, "")
	if err != nil {
		return 0, err
	}
	told, err := s.toldOf(ctx)
	if err != nil {
		return 0, err
	}
	reminded, now := 0, s.Now()
	for _, e := range all {
		days := e.stage(now)
		if nearest, ok := told[Reminder{Thing: e.Thing, EndsAt: e.EndsAt}]; days == 0 || ok && nearest <= days {
			continue
		}
		done, err := s.remind(ctx, e, days)
		if err != nil {
			return reminded, wrap("remind", err)
		}
		if done {
			reminded++
		}
	}
	return reminded, nil
}

// toldOf is the nearest stage that was told of each end that lies ahead.
func (s *Store) toldOf(ctx context.Context) (map[Reminder]int64, error) {
	var rows []Reminder
	err := s.read.WithContext(ctx).Model(&Reminder{}).Select("thing, ends_at, min(days) as days").
		Where("ends_at > ?", s.Now()).Group("thing, ends_at").Scan(&rows).Error
	told := map[Reminder]int64{}
	for _, r := range rows {
		told[Reminder{Thing: r.Thing, EndsAt: r.EndsAt}] = r.Days
	}
	return told, wrap("read reminders", err)
}

// remind writes one, unless another replica was first. What still waits to be told of
// the same thing is old by now.
func (s *Store) remind(ctx context.Context, e Ending, days int64) (done bool, err error) {
	err = s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		row := Reminder{Thing: e.Thing, EndsAt: e.EndsAt, Days: days, ToldAt: s.Now()}
		res := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		done = true
		if err := tx.Where("ref = ? and kind = ?", e.Thing, NoticeReminder).Delete(&Notice{}).Error; err != nil {
			return err
		}
		return (&change{tx: tx, now: s.Now()}).notice(Notice{Kind: NoticeReminder, Ref: e.Thing, ClientID: e.ClientID, EndsAt: e.EndsAt})
	})
	return done && err == nil, err
}

// PurgeReminders forgets what was told of ends that are past since before a moment.
func (s *Store) PurgeReminders(ctx context.Context, moment int64) error {
	return wrap("purge reminders", s.write.WithContext(ctx).Where("ends_at < ?", moment).Delete(&Reminder{}).Error)
}
