package main

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// connection carries one request at a time. Its goroutine always reads, so that a connection that
// is closed while idle is noticed and not used again.
type connection struct {
	load *loader
	done <-chan struct{} // of a closed loop

	lock    sync.Mutex
	socket  net.Conn
	current *request
	late    bool
	used    time.Time // guarded by the loader's lock
	ended   bool
	port    int
}

// run connects, sends the first request and reads answers until the end; false when there was no
// connection at all.
func (client *connection) run(first *request) bool {
	defer client.load.gone(client)
	socket, err := net.DialTimeout("tcp", client.load.plan.Address, dialWithin)
	if err != nil {
		client.load.record(first, 0, answer{problem: "connect: " + cause(err)})
		return false
	}
	client.lock.Lock()
	client.socket = socket
	client.port = socket.LocalAddr().(*net.TCPAddr).Port
	client.lock.Unlock()
	defer socket.Close()
	client.send(first)
	client.readAll(bufio.NewReaderSize(socket, 16<<10))
	return true
}

func (client *connection) readAll(reader *bufio.Reader) {
	for {
		got, err := readAnswer(reader, client.method())
		if err != nil {
			client.end(err)
			return
		}
		answered := client.finish(got)
		if answered == nil { // an answer that nobody asked for
			client.end(errors.New("unasked answer"))
			return
		}
		if got.close || answered.kind.Close {
			client.end(nil)
			return
		}
		if client.done == nil {
			client.load.release(client)
		} else if !client.again() {
			client.end(nil)
			return
		}
	}
}

// again sends the next request of a closed loop, unless that is over.
func (client *connection) again() bool {
	select {
	case <-client.done:
		return false
	default:
		wanted := client.load.next(time.Now())
		if client.send(wanted) {
			return true
		}
		client.load.record(wanted, client.port, answer{problem: "closed before it was sent"})
		return false
	}
}

// method is that of the request on its way: HEAD has no body in its answer.
func (client *connection) method() string {
	client.lock.Lock()
	defer client.lock.Unlock()
	if client.current == nil {
		return ""
	}
	return client.current.kind.Method
}

// send writes a request; false when the connection has ended, and nothing was written.
func (client *connection) send(wanted *request) bool {
	data := wanted.bytes(client.load.plan.Address)
	client.lock.Lock()
	if client.ended {
		client.lock.Unlock()
		return false
	}
	wanted.sent = time.Now()
	client.current = wanted
	socket := client.socket
	client.lock.Unlock()
	// An error here is one of the reading side too, which ends the request.
	_, _ = socket.Write(data)
	return true
}

// finish records the answer to the current request; nil when there is none.
func (client *connection) finish(got answer) *request {
	client.lock.Lock()
	ended := client.current
	client.current = nil
	client.lock.Unlock()
	if ended != nil {
		client.load.record(ended, client.port, got)
	}
	return ended
}

// end closes the connection. A request on its way is lost by it.
func (client *connection) end(err error) {
	client.lock.Lock()
	client.ended = true
	lost, late := client.current, client.late
	client.current = nil
	client.lock.Unlock()
	client.socket.Close()
	if lost == nil {
		return
	}
	problem := cause(err)
	if late {
		problem = "no answer in time"
	}
	client.load.record(lost, client.port, answer{problem: problem})
}

func (client *connection) closeIfSentBefore(when time.Time) {
	client.lock.Lock()
	defer client.lock.Unlock()
	if client.current != nil && client.current.sent.Before(when) && !client.late {
		client.late = true
		client.socket.Close()
	}
}

// bytes is the request as it goes over the wire.
func (wanted *request) bytes(address string) []byte {
	described := wanted.kind
	var text strings.Builder
	text.WriteString(described.Method + " " + strings.ReplaceAll(described.Target, "{id}", wanted.id))
	text.WriteString(" HTTP/1.1\r\nHost: " + address + "\r\nx-request-id: " + wanted.id + "\r\n")
	for name, value := range described.Headers {
		text.WriteString(name + ": " + strings.ReplaceAll(value, "{id}", wanted.id) + "\r\n")
	}
	body := strings.ReplaceAll(described.Body, "{id}", wanted.id)
	if body != "" {
		text.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	if described.Close {
		text.WriteString("Connection: close\r\n")
	}
	text.WriteString("\r\n" + body)
	return []byte(text.String())
}

// readAnswer reads one whole answer.
func readAnswer(reader *bufio.Reader, method string) (got answer, err error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return got, err
	}
	if len(line) < 12 || string(line[:7]) != "HTTP/1." {
		return got, fmt.Errorf("not an answer: %.40q", line)
	}
	if got.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return got, err
	}
	length, chunked, err := got.readFields(reader)
	if err != nil {
		return got, within(err)
	}
	if method == http.MethodHead || got.status == http.StatusNoContent {
		length, chunked = 0, false
	}
	return got, within(got.readBody(reader, length, chunked))
}

// readFields reads the header: the body's length (-1 when it is not said) and whether in chunks.
func (got *answer) readFields(reader *bufio.Reader) (length int64, chunked bool, err error) {
	length = -1
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		name, value, found := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
		if !found {
			return length, chunked, nil
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.ParseInt(value, 10, 64); err != nil {
				return 0, false, err
			}
		case "transfer-encoding":
			chunked = true
		case "connection":
			got.close = strings.EqualFold(value, "close")
		case "retry-after":
			got.retryAfter = true
		case "x-cutover-side":
			got.side = value
		}
	}
}

func (got *answer) readBody(reader *bufio.Reader, length int64, chunked bool) error {
	digest := crc32.NewIEEE()
	defer func() { got.digest = digest.Sum32() }()
	if !chunked {
		if length < 0 {
			got.close = true
			_, err := io.Copy(digest, reader)
			return err
		}
		_, err := io.CopyN(digest, reader, length)
		return err
	}
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 64)
		if err != nil {
			return err
		}
		if _, err = io.CopyN(digest, reader, size); err != nil {
			return err
		}
		if _, err = reader.Discard(2); err != nil || size == 0 {
			return err
		}
	}
}

// within marks the end of a connection in the middle of an answer.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// cause is the innermost error, without addresses and ports: few different texts.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
