// Command gateway is grpc-gateway with code generated from the example's proto, as its manual
// sets it up, for the benchmarks to compare with.
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
	"google.golang.org/protobuf/encoding/protojson"

	dns "example.invalid/cutover-bench-gateway/dns"
)

func main() {
	target := flag.String("target", "", "address of the gRPC server")
	flag.Parse()
	connection, err := grpc.NewClient(
		*target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	// Like the proxies beside it, it leaves default values out of its answers.
	marshaler := &runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{EmitUnpopulated: false},
		UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
	}
	mux := runtime.NewServeMux(runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler))
	if err := dns.RegisterRecordServiceHandler(context.Background(), mux, connection); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// The benchmark reads this line to learn the port; nothing else goes to standard output.
	fmt.Printf("{\"http\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	go exitWithParent()
	log.Fatal(http.Serve(listener, mux))
}

// exitWithParent ends the process when standard input closes, which happens even when the
// benchmark is killed.
func exitWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
