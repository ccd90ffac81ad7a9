package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// lines asks somebody at a terminal, or reads what a script has written for them.
type lines struct {
	from *os.File
	read *bufio.Reader
}

func newLines(from *os.File) *lines { return &lines{from, bufio.NewReader(from)} }

// next is the next line, "" at the end. To interrupt the program ends the wait.
func (l *lines) next(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	came := make(chan line, 1)
	go func() {
		text, err := l.read.ReadString('\n')
		if err == io.EOF {
			err = nil
		}
		came <- line{strings.TrimRight(text, "\r\n"), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case got := <-came:
		return got.text, got.err
	}
}

// ask prints a question and reads the answer.
func (l *lines) ask(ctx context.Context, to io.Writer, question string) (string, error) {
	fmt.Fprint(to, question)
	answer, err := l.next(ctx)
	return strings.TrimSpace(answer), err
}

// secret asks for what nobody should see. A terminal that cannot hide it says so.
func (l *lines) secret(ctx context.Context, to io.Writer, question string) (string, error) {
	info, err := l.from.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode()&os.ModeCharDevice != 0 {
		if l.echo("-echo") != nil {
			fmt.Fprintln(to, "What you type will show.")
		} else {
			defer func() {
				_ = l.echo("echo")
				fmt.Fprintln(to)
			}()
		}
	}
	fmt.Fprint(to, question)
	return l.next(ctx)
}

// echo switches whether the terminal shows what is typed.
func (l *lines) echo(mode string) error {
	stty := exec.Command("stty", mode)
	stty.Stdin = l.from
	return stty.Run()
}
