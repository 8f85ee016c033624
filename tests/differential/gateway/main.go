// Command gateway is grpc-gateway with code generated from the proto of the differential test and
// with its defaults, for its answers to be recorded.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	oracle "example.invalid/cutover-bench-gateway/oracle"
)

func main() {
	target := flag.String("target", "", "address of the gRPC server")
	flag.Parse()
	connection, err := grpc.NewClient(
		*target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	mux := runtime.NewServeMux()
	if err := oracle.RegisterOracleHandler(context.Background(), mux, connection); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// The recorder reads this line to learn the port; nothing else goes to standard output.
	fmt.Printf("{\"http\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	go exitWithParent()
	log.Fatal(http.Serve(listener, mux))
}

// exitWithParent ends the process when standard input closes, which happens even when the
// recorder is killed.
func exitWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
