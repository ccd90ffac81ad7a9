package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

// Secret is a setting that must not be printed.
type Secret string

func (s Secret) String() string { return s.redacted() }

// LogValue keeps it out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.redacted()) }

func (s Secret) redacted() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// database is where a command finds its data.
type database struct {
	DatabaseURL Secret `name:"database-url" env:"DEPUTY_DATABASE_URL" help:"postgres:// URL; empty for the embedded SQLite." placeholder:"URL"`
	DataDir     string `name:"data-dir" env:"DEPUTY_DATA_DIR" default:"data" help:"Folder of the SQLite database and, with --dev, of everything else."`
}

func (d database) open() (*models.Store, error) {
	return models.Open(d.options(nil))
}

func (d database) options(watched models.Observer) models.Options {
	return models.Options{URL: string(d.DatabaseURL), Dir: d.DataDir, Observer: watched}
}

// masterKeys are what the database's secrets are sealed under.
type masterKeys struct {
	MasterKey         Secret `env:"DEPUTY_MASTER_KEY" help:"32 random bytes in base64 that seal the signing keys (openssl rand -base64 32)." placeholder:"KEY"`
	PreviousMasterKey Secret `name:"master-key-previous" env:"DEPUTY_MASTER_KEY_PREVIOUS" help:"The one before it, as long as something is sealed under that." placeholder:"KEY"`
}

// master reads them. Everything is sealed under the first, and opened with either.
func (m masterKeys) master() (tokens.MasterKey, error) {
	key, err := tokens.NewMasterKey(string(m.MasterKey))
	if err != nil || m.PreviousMasterKey == "" {
		return key, err
	}
	previous, err := tokens.NewMasterKey(string(m.PreviousMasterKey))
	if err != nil {
		return key, fmt.Errorf("previous master key: %w", err)
	}
	return key.After(previous), nil
}

// secretFiles reads NAME from the file that NAME_FILE names, for settings that
// are secrets.
type secretFiles struct{}

func (secretFiles) Validate(*kong.Application) error { return nil }

func (secretFiles) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Target.Type().Name() != "Secret" {
		return nil, nil
	}
	for _, env := range flag.Envs {
		file := os.Getenv(env + "_FILE")
		if file == "" || os.Getenv(env) != "" {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", env, err)
		}
		return strings.TrimSpace(string(body)), nil
	}
	return nil, nil
}

// settings reads a JSON file of settings by flag name. The environment goes
// before it, and an unknown name is an error.
func settings(r io.Reader) (kong.Resolver, error) {
	values := map[string]any{}
	if err := json.NewDecoder(r).Decode(&values); err != nil {
		return nil, fmt.Errorf("settings file: %w", err)
	}
	return fileSettings(values), nil
}

type fileSettings map[string]any

func (f fileSettings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for name := range f {
		if !known[name] {
			return fmt.Errorf("settings file: there is no setting %q", name)
		}
	}
	return nil
}

func (f fileSettings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if os.Getenv(env) != "" || os.Getenv(env+"_FILE") != "" {
			return nil, nil
		}
	}
	return f[flag.Name], nil
}
