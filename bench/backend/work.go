package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// requestID is the header, and the metadata, that names a request.
const requestID = "x-request-id"

// work is what every request costs, and the book that it is written into.
type work struct {
	ledger *os.File // nil: nothing is written
	delay  time.Duration
}

// openWork adds to the ledger what is in it already: a backend that comes back goes on.
func openWork(ledger string, delay time.Duration) (*work, error) {
	if ledger == "" {
		return &work{delay: delay}, nil
	}
	file, err := os.OpenFile(ledger, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &work{ledger: file, delay: delay}, err
}

// do writes a request down and takes its time. The line is one write, made before the answer: a
// process that is killed has written down all that it has done.
func (done *work) do(id, what string) {
	if done.ledger != nil && id != "" {
		_, _ = fmt.Fprintf(done.ledger, "%d %s %s\n", time.Now().UnixMicro(), id, what)
	}
	if done.delay > 0 {
		time.Sleep(done.delay)
	}
}

// call is a grpc.UnaryServerInterceptor.
func (done *work) call(
	ctx context.Context, asked any, _ *grpc.UnaryServerInfo, answer grpc.UnaryHandler,
) (any, error) {
	if ids := metadata.ValueFromIncomingContext(ctx, requestID); len(ids) > 0 {
		name, _ := grpc.Method(ctx)
		done.do(ids[0], path.Base(name))
	}
	return answer(ctx, asked)
}
