package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
)

type policyCmd struct {
	Check policyCheckCmd `cmd:"" help:"Would this folder be accepted as house policy? Says file, line and reason if not."`
	Test  policyTestCmd  `cmd:"" help:"Run the tests of a policy folder with coverage."`
}

type policyCheckCmd struct {
	Dir string `arg:"" type:"existingdir" help:"Folder of the house policy."`
}

// Run checks the folder.
func (c *policyCheckCmd) Run(_ context.Context, io streams) error {
	dir := os.DirFS(c.Dir)
	if err := bundles.Check(dir); err != nil {
		return err
	}
	unformatted, err := bundles.Unformatted(dir, ".")
	if err != nil {
		return err
	}
	for _, name := range unformatted {
		fmt.Fprintf(io.err, "%s: opa fmt would change it\n", name)
	}
	fmt.Fprintln(io.out, "This house policy would be accepted.")
	return nil
}

type policyTestCmd struct {
	Dir         string  `arg:"" optional:"" help:"Folder to test (default: the policy in this binary)."`
	MinCoverage float64 `default:"100" help:"Fail below this percentage of lines."`
}

// Run runs the tests; it fails if one fails or too few lines are reached.
func (c *policyTestCmd) Run(ctx context.Context, io streams) error {
	if c.Dir != "" {
		return c.one(ctx, io, os.DirFS(c.Dir), ".")
	}
	for _, root := range []string{"floor", "compose", "house"} {
		if err := c.one(ctx, io, bundles.Shipped(), root); err != nil {
			return err
		}
	}
	return nil
}

func (c *policyTestCmd) one(ctx context.Context, io streams, fsys fs.FS, root string) error {
	report, err := bundles.Test(ctx, fsys, root)
	if err != nil {
		return err
	}
	for _, f := range report.Failed {
		fmt.Fprintln(io.out, "FAIL", f)
	}
	if report.Coverage < c.MinCoverage {
		for _, m := range report.Missing {
			fmt.Fprintln(io.out, "not covered:", m)
		}
	}
	fmt.Fprintf(io.out, "%s: %d passed, %d failed, coverage %.1f%%\n", root, report.Passed, len(report.Failed), report.Coverage)
	switch {
	case len(report.Failed) > 0:
		return fmt.Errorf("%d tests failed", len(report.Failed))
	case report.Passed == 0:
		return fmt.Errorf("%s holds no tests", root)
	case report.Coverage < c.MinCoverage:
		return fmt.Errorf("coverage %.1f%% is below %.1f%%", report.Coverage, c.MinCoverage)
	}
	return nil
}

// notePolicy notes in the ledger which policy serves, whenever this process took up
// another one.
func (d *deputy) notePolicy() func(context.Context) error {
	var floor, house string
	return func(ctx context.Context) error {
		now := d.engine.Status()
		if now.Floor == floor && now.House == house {
			return nil
		}
		if err := d.store.PolicyServes(ctx, models.By{System: "serve"}, now.Floor, now.House); err != nil {
			return err
		}
		floor, house = now.Floor, now.House
		return nil
	}
}
