package models_test

import (
	"os"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// What waits in the outbox is there after the migration that makes it anew, as it was,
// and what is of no client finds its place.
func TestTheOutboxIsKept(t *testing.T) {
	t.Parallel()
	for dialect, empty := range map[string]func(t *testing.T) models.Options{
		"sqlite":   func(t *testing.T) models.Options { return models.Options{Dir: t.TempDir()} },
		"postgres": func(t *testing.T) models.Options { return models.Options{URL: modelstest.EmptyPostgres(t)} },
	} {
		t.Run(dialect, func(t *testing.T) {
			ctx, s := t.Context(), modelstest.Open(t, empty(t))
			db, err := s.Writer().DB()
			require.NoError(t, err)
			p, err := goose.NewProvider(map[string]goose.Dialect{"sqlite": goose.DialectSQLite3, "postgres": goose.DialectPostgres}[dialect], db, os.DirFS("migrations"))
			require.NoError(t, err)
			_, err = p.UpTo(ctx, 20)
			require.NoError(t, err)
			const client = "app_1" // as that release knew clients, not as this one does
			require.NoError(t, s.Writer().Exec(`insert into clients
				(id, kind, name, purpose, sponsor, status, expires_at, labels, grant_types, default_scopes, max_ttl, self_grant_id, version, created_at, updated_at)
				values (?, 'application', 'app', '', '', 'active', 1, '{}', '[]', '{}', 0, '', 1, 1, 1)`, client).Error)
			was := models.Notice{ID: models.NewID(models.PrefixNotice), Kind: models.NoticePush, Channel: "mail", Ref: "apr_1", ClientID: client, SubjectID: "usr_1",
				SessionID: "ses_1", URL: "https://client.example", Payload: []byte{0, 1, 255}, CreatedAt: 1, NextAt: 2, EndsAt: 3, Tries: 4, ToldAs: models.ToldOwner}
			bare := models.Notice{ID: models.NewID(models.PrefixNotice), Kind: models.NoticeLogout, ClientID: client}
			require.NoError(t, s.Writer().Create(&[]models.Notice{was, bare}).Error)
			own := models.Notice{ID: models.NewID(models.PrefixNotice), Kind: models.NoticeLeak, Ref: "ses_1"}
			require.Error(t, s.Writer().Create(&own).Error, "of the release before, word was of a client")

			require.NoError(t, s.Migrate(ctx))
			for _, want := range []models.Notice{was, bare} {
				is, err := s.Notice(ctx, want.ID)
				require.NoError(t, err)
				require.Equal(t, want, *is)
			}
			require.NoError(t, s.Writer().Create(&own).Error)
			require.Error(t, s.Writer().Create(&own).Error, "its key is kept, too")
		})
	}
}
