// Command redis serves Argo CD's cache from memory, in place of a redis-server that would have to be installed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: redis ADDRESS")
		os.Exit(2)
	}
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer server.Close()
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// Its keys expire by a clock of its own, which stands still unless it is told of the time.
	last := time.Now()
	for tick := time.Tick(100 * time.Millisecond); ; {
		select {
		case now := <-tick:
			server.FastForward(now.Sub(last))
			last = now
		case <-ended.Done():
			return
		}
	}
}
