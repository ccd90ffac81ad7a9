//go:build !linux

// Command bench measures the real Deputy; it reads /proc and waits on an epoll,
// so it runs on Linux alone.
package main

import "fmt"

func main() { fmt.Println("tests/bench runs on Linux alone") }
