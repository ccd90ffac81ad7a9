// Command deputy is the authorization server and its tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Config kong.ConfigFlag `help:"Read settings from this JSON file; flags and environment go first." placeholder:"FILE"`

	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database schema up to date."`
	Admin       adminCmd       `cmd:"" help:"Set up administrators, directly in the database."`
	User        userCmd        `cmd:"" help:"Manage people. What has to do with signing in (link, sessions, identities) works directly in the database, without a server; all else goes through the admin API."`
	Group       groupCmd       `cmd:"" help:"Manage groups of people, agents and applications through the admin API."`
	Role        roleCmd        `cmd:"" help:"See roles, give them and take them away through the admin API."`
	Agent       agentCmd       `cmd:"" help:"Manage agents and applications through the admin API."`
	Stop        stopCmd        `cmd:"" help:"Stop an agent, a user, a token or whatever else can be stopped, and all that hangs from it, now."`
	Consent     consentCmd     `cmd:"" help:"See what people agreed to, and take it back, through the admin API."`
	Approve     approveCmd     `cmd:"" help:"Answer, as the person you are, what agents ask of you."`
	Approval    approvalCmd    `cmd:"" help:"See what agents asked of people, and end it, through the admin API."`
	Resource    resourceCmd    `cmd:"" help:"Manage what resource servers say of authorization details, through the admin API."`
	Upstream    upstreamCmd    `cmd:"" help:"Manage the OpenID providers that people may sign in with, through the admin API."`
	Token       tokenCmd       `cmd:"" help:"Get, exchange and look at tokens."`
	Audit       auditCmd       `cmd:"" help:"Read and verify the ledger, directly in the database."`
	Events      eventsCmd      `cmd:"" help:"Follow what ends and changes, as it happens."`
	Receiver    receiverCmd    `cmd:"" help:"Manage where events are pushed to, through the admin API."`
	Explain     explainCmd     `cmd:"" help:"Tell whether a token request would be granted, and if not, who lacks what and who could change it."`
	Keys        keysCmd        `cmd:"" help:"See and rotate signing keys through the admin API; change the master key, directly in the database."`
	Backup      backupCmd      `cmd:"" help:"Write the SQLite database into a file, while a server runs."`
	Restore     restoreCmd     `cmd:"" help:"Put a backup where there is no database, after examining it."`
	Policy      policyCmd      `cmd:"" help:"Check and test house policy."`
	Tour        tourCmd        `cmd:"" help:"Play Deputy's stories against a running server."`
	Doctor      doctorCmd      `cmd:"" help:"Look for what is wrong, with a running server or with what one here would work with, and say what helps."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running server whether it is ready."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "deputy:", err)
		os.Exit(1)
	}
}

// errUsage was explained to the user already.
var errUsage = errors.New("see deputy --help")

// streams are where commands write; they have no other output.
type streams struct{ out, err io.Writer }

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	exited := false
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("deputy"), kong.Description("Deputy, the authorization server for AI agents."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { exited = true }),
		kong.Configuration(settings), kong.Resolvers(secretFiles{}), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(streams{stdout, stderr}),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if exited { // --help
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	return command.Run()
}
