// Command generator loads an HTTP server and writes down what became of every single request.
//
//	generator load PLAN.json   requests with ids of their own, open or closed loop
//	generator drip PLAN.json   connections that send a byte now and then, until they are cut
//
// It speaks HTTP/1.1 itself, on raw connections: a client library would repeat a request that met
// a closing connection, and the point is to see those. Either way it ends when standard input
// closes, so it never outlives what started it. It says when it begins and, at the end, what it did,
// each as one line of JSON. Times are microseconds since the epoch: other processes tell when they broke what.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: generator load|drip PLAN.json")
	}
	summary, err := run(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	line, _ := json.Marshal(summary) // numbers only: cannot fail
	fmt.Println(string(line))
}

func run(task, plan string) (any, error) {
	switch task {
	case "load":
		wanted := new(loadPlan)
		if err := read(plan, wanted); err != nil {
			return nil, err
		}
		return wanted.run(stopped())
	case "drip":
		wanted := new(dripPlan)
		if err := read(plan, wanted); err != nil {
			return nil, err
		}
		return wanted.run(stopped())
	}
	return nil, fmt.Errorf("unknown task %q", task)
}

func read(name string, into any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// stopped is closed when standard input is.
func stopped() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(done)
	}()
	return done
}

// begun tells that sending begins now.
func begun() { fmt.Printf("{\"begun_us\": %d}\n", micros(time.Now())) }

func micros(at time.Time) int64 { return at.UnixMicro() }

func seconds(count float64) time.Duration { return time.Duration(count * float64(time.Second)) }
