// Command backend answers the benchmarks from canned bytes, over gRPC and over plain HTTP.
//
// It knows no protobuf types: a manifest made by the benchmark says which bytes answer which
// call. What it costs is therefore the transport alone, so that the load shows the proxy in
// front of it and not itself. With a ledger it writes down what it was asked to do, before it
// answers: what was done twice, or by the wrong side, is read there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// manifest is everything the backend can say. Keys of RPC are full method names
// ("/package.Service/Method"), keys of HTTP are request targets (path and query). What is no such
// target is answered by its method, if HTTPByMethod knows that.
type manifest struct {
	RPC          map[string]rpcAnswers `json:"rpc"`
	HTTP         map[string]httpAnswer `json:"http"`
	HTTPByMethod map[string]httpAnswer `json:"http_by_method"`
}

// rpcAnswers holds one answer for each value of the request's varint field ByField; a call
// without that field, or a method whose ByField is 0, gets the answer for "0".
type rpcAnswers struct {
	ByField protowire.Number  `json:"by_field"`
	Answers map[string][]byte `json:"answers"`
}

type httpAnswer struct {
	ContentType string `json:"content_type"`
	Body        []byte `json:"body"`
}

func main() {
	manifestPath := flag.String("manifest", "", "JSON file with the canned answers")
	grpcAddress := flag.String("grpc", "127.0.0.1:0", "where to serve gRPC")
	httpAddress := flag.String("http", "127.0.0.1:0", "where to serve HTTP")
	ledgerPath := flag.String("ledger", "", "file to add every request to that has an id")
	delay := flag.Duration("delay", 0, "how long to wait before each answer")
	flag.Parse()
	canned, err := readManifest(*manifestPath)
	if err != nil {
		log.Fatal(err)
	}
	done, err := openWork(*ledgerPath, *delay)
	if err != nil {
		log.Fatal(err)
	}
	grpcServer, httpHandler := canned.grpcServer(done), canned.httpHandler(done)
	grpcListener, httpListener := listen(*grpcAddress), listen(*httpAddress)
	// The benchmark reads this line to learn the ports; nothing else goes to standard output.
	fmt.Printf("{\"grpc\": %d, \"http\": %d}\n", port(grpcListener), port(httpListener))
	go exitWithParent()
	go func() { log.Fatal(http.Serve(httpListener, httpHandler)) }()
	log.Fatal(grpcServer.Serve(grpcListener))
}

func readManifest(name string) (*manifest, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	canned := new(manifest)
	return canned, json.Unmarshal(data, canned)
}

func listen(address string) net.Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func port(listener net.Listener) int {
	return listener.Addr().(*net.TCPAddr).Port
}

// exitWithParent ends the process when standard input closes, which happens even when the
// benchmark is killed: no backend outlives the run that started it.
func exitWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func (canned *manifest) grpcServer(done *work) *grpc.Server {
	methods := map[string][]grpc.MethodDesc{}
	for name, answers := range canned.RPC {
		service, method := path.Split(strings.TrimPrefix(name, "/"))
		methods[service] = append(
			methods[service], grpc.MethodDesc{MethodName: method, Handler: answers.handle})
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.UnaryInterceptor(done.call))
	for service, described := range methods {
		name := strings.TrimSuffix(service, "/")
		server.RegisterService(&grpc.ServiceDesc{ServiceName: name, Methods: described}, nil)
	}
	return server
}

// handle is a grpc.MethodHandler.
func (answers rpcAnswers) handle(
	_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor,
) (any, error) {
	var request []byte
	if err := decode(&request); err != nil {
		return nil, err
	}
	return intercept(ctx, request, nil, answers.answer)
}

// answer is a grpc.UnaryHandler.
func (answers rpcAnswers) answer(_ context.Context, asked any) (any, error) {
	request, isBytes := asked.([]byte)
	if !isBytes {
		return nil, errors.New("a request is a []byte")
	}
	value, err := varintField(request, answers.ByField)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	answer, found := answers.Answers[strconv.FormatUint(value, 10)]
	if !found {
		return nil, status.Errorf(codes.NotFound, "no canned answer for %d", value)
	}
	return answer, nil
}

// varintField is the last value of a varint field of a serialized message, 0 when absent.
func varintField(message []byte, wanted protowire.Number) (value uint64, err error) {
	for len(message) > 0 {
		number, kind, tagLength := protowire.ConsumeTag(message)
		if tagLength < 0 {
			return 0, protowire.ParseError(tagLength)
		}
		message = message[tagLength:]
		length := protowire.ConsumeFieldValue(number, kind, message)
		if length < 0 {
			return 0, protowire.ParseError(length)
		}
		if number == wanted && kind == protowire.VarintType {
			value, _ = protowire.ConsumeVarint(message)
		}
		message = message[length:]
	}
	return value, nil
}

func (canned *manifest) httpHandler(done *work) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		answer, found := canned.HTTP[request.URL.RequestURI()]
		if !found {
			answer, found = canned.HTTPByMethod[request.Method]
		}
		if !found {
			http.NotFound(writer, request)
			return
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			http.Error(writer, err.Error(), http.StatusBadRequest)
			return
		}
		done.do(request.Header.Get(requestID), request.Method)
		writer.Header().Set("Content-Type", answer.ContentType)
		writer.Header().Set("Content-Length", strconv.Itoa(len(answer.Body)))
		_, _ = writer.Write(answer.Body)
	})
}

// rawCodec passes serialized messages through as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) (mem.BufferSlice, error) {
	data, isBytes := message.([]byte)
	if !isBytes {
		return nil, errors.New("an answer is a []byte")
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, message any) error {
	target, isBytes := message.(*[]byte)
	if !isBytes {
		return errors.New("a request is read into a *[]byte")
	}
	*target = data.Materialize()
	return nil
}
