package models_test

import (
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm/schema"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// tables are all structs that stand for a table.
func tables() []any {
	return []any{
		&models.User{}, &models.Client{}, &models.Credential{}, &models.Group{}, &models.GroupMember{}, &models.ResourceServer{},
		&models.Scope{}, &models.DetailType{}, &models.Downstream{}, &models.Role{}, &models.RoleScope{}, &models.Assignment{}, &models.Grant{}, &models.Token{},
		&models.Once{}, &models.SigningKey{}, &models.Entry{}, &models.FactBody{}, &models.TreePart{}, &models.Head{}, &models.SignedHead{},
		&models.Changed{}, &models.Password{}, &models.Passkey{}, &models.TOTP{}, &models.Session{}, &models.Link{}, &models.Visit{},
		&models.Consent{}, &models.GrantConsent{}, &models.Code{}, &models.RefreshToken{}, &models.Notice{}, &models.Upstream{}, &models.Identity{},
		&models.Approval{}, &models.Acquaintance{}, &models.UserCode{},
		&models.Subscription{}, &models.PushKey{}, &models.DerivationKey{}, &models.WordSettings{}, &models.Guesses{}, &models.EventReceiver{}, &models.Transfer{}, &models.Reminder{},
	}
}

// column is what a struct and a migrated table must agree on.
type column struct {
	Name     string
	Nullable bool
	Key      bool
}

// TestModelsMatchMigrations: the structs are not migrated by GORM, so nothing
// else notices when one of them and its table part ways.
func TestModelsMatchMigrations(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		known := []string{"goose_db_version"}
		for _, model := range tables() {
			parsed, err := schema.Parse(model, &sync.Map{}, s.Writer().NamingStrategy)
			require.NoError(t, err)
			known = append(known, parsed.Table)
			migrated := columns(t, s, parsed.Table)
			require.ElementsMatch(t, expected(parsed, migrated), migrated, parsed.Table)
		}
		require.ElementsMatch(t, known, tableNames(t, s), "every table has a struct, and every struct a table")
	})
}

// expected are the columns GORM reads and writes. A pointer may be null, and
// nothing else; of bytes either is fine, as GORM reads null into them.
func expected(parsed *schema.Schema, migrated []column) []column {
	var out []column
	for _, f := range parsed.Fields {
		if f.DBName == "" {
			continue
		}
		c := column{Name: f.DBName, Nullable: f.FieldType.Kind() == reflect.Pointer, Key: f.PrimaryKey}
		if f.FieldType == reflect.TypeFor[[]byte]() {
			c.Nullable = slices.Contains(migrated, column{Name: c.Name, Nullable: true, Key: c.Key})
		}
		out = append(out, c)
	}
	return out
}

func columns(t *testing.T, s *models.Store, table string) []column {
	t.Helper()
	query := `select name, "notnull" = 0 as nullable, pk > 0 as key from pragma_table_info(?)`
	if s.Dialect() == "postgres" {
		query = `select attname as name, not attnotnull as nullable, coalesce(attnum = any (i.indkey), false) as key
			from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
			where a.attrelid = cast(? as regclass) and attnum > 0 and not attisdropped`
	}
	var out []column
	require.NoError(t, s.Writer().Raw(query, table).Scan(&out).Error)
	require.NotEmpty(t, out, table)
	return out
}

func tableNames(t *testing.T, s *models.Store) []string {
	t.Helper()
	query := "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
	if s.Dialect() == "postgres" {
		query = "select tablename from pg_tables where schemaname = 'public'"
	}
	var out []string
	require.NoError(t, s.Writer().Raw(query).Scan(&out).Error)
	return out
}
