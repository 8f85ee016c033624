package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// dripPlan is Connections that send Opening at once, then one byte of Byte every EveryS, until the
// other side closes or MaxS is over.
type dripPlan struct {
	Address  string     `json:"address"`
	EveryS   float64    `json:"every_s"`
	MaxS     float64    `json:"max_s"`
	OpenPerS float64    `json:"open_per_s"`
	Records  string     `json:"records"`
	Kinds    []dripKind `json:"kinds"`
}

type dripKind struct {
	Name        string `json:"name"`
	Opening     string `json:"opening"`
	Byte        string `json:"byte"`
	Connections int    `json:"connections"`
}

type dripSummary struct {
	Opened int `json:"opened"`
	Cut    int `json:"cut"`
}

type dripped struct {
	kind   string
	opened time.Time
	ended  time.Time
	status int
	how    string
}

func (plan *dripPlan) run(stop <-chan struct{}) (any, error) {
	file, err := os.Create(plan.Records)
	if err != nil {
		return nil, err
	}
	var ends sync.WaitGroup
	var lock sync.Mutex
	summary := dripSummary{}
	out := bufio.NewWriter(file)
	pause := time.NewTicker(seconds(1 / plan.OpenPerS))
	defer pause.Stop()
	begun()
	for _, each := range plan.Kinds {
		for range each.Connections {
			<-pause.C
			ends.Go(func() {
				seen := each.drip(plan, stop)
				lock.Lock()
				defer lock.Unlock()
				summary.Opened++
				if seen.how == "cut" {
					summary.Cut++
				}
				_, _ = fmt.Fprintf(out, "%s,%d,%d,%d,%s\n",
					seen.kind, micros(seen.opened), micros(seen.ended), seen.status, seen.how)
			})
		}
	}
	ends.Wait()
	if err := out.Flush(); err != nil {
		return nil, err
	}
	return summary, file.Close()
}

// drip is the whole life of one connection.
func (described dripKind) drip(plan *dripPlan, stop <-chan struct{}) (seen dripped) {
	seen = dripped{kind: described.Name, opened: time.Now(), how: "refused"}
	defer func() { seen.ended = time.Now() }()
	socket, err := net.DialTimeout("tcp", plan.Address, dialWithin)
	if err != nil {
		return seen
	}
	defer socket.Close()
	answered := make(chan int, 1)
	go func() { answered <- untilClosed(socket) }()
	_, _ = socket.Write([]byte(described.Opening))
	drops := time.NewTicker(seconds(plan.EveryS))
	defer drops.Stop()
	enough := time.After(seconds(plan.MaxS))
	for {
		select {
		case seen.status = <-answered:
			seen.how = "cut"
			return seen
		case <-enough:
			seen.how = "kept"
			return seen
		case <-stop:
			seen.how = "stopped"
			return seen
		case <-drops.C:
			_, _ = socket.Write([]byte(described.Byte)) // an error ends the reading too
		}
	}
}

// untilClosed is the status of the answer that came, 0 for none, when the connection has ended.
func untilClosed(socket net.Conn) (status int) {
	reader := bufio.NewReader(socket)
	for {
		got, err := readAnswer(reader, "")
		if err != nil {
			return status
		}
		status = got.status
	}
}
