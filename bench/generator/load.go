package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	tick       = time.Millisecond      // how often the open loop looks what is due
	sweepEvery = 50 * time.Millisecond // how often requests without an answer are looked for
	reconnect  = 10 * time.Millisecond // pause of a closed loop whose connection was refused
	dialWithin = 5 * time.Second       // beyond: the request counts as refused
)

// loadPlan is what to send. With a Rate (requests per second) the loop is open: requests are due
// at even times, whatever became of those before, and latencies count from then. Without, each of
// Connections sends its next request when the last one is answered. A connection that was not used
// for IdleS is closed.
type loadPlan struct {
	Address     string  `json:"address"`
	Run         string  `json:"run"`
	Rate        float64 `json:"rate"`
	Connections int     `json:"connections"`
	DurationS   float64 `json:"duration_s"`
	TimeoutS    float64 `json:"timeout_s"`
	IdleS       float64 `json:"idle_s"`
	Records     string  `json:"records"`
	Kinds       []*kind `json:"kinds"`
}

// kind is one kind of request; "{id}" in Target and Body becomes the request's id. Close asks for
// a connection of its own.
type kind struct {
	Name    string            `json:"name"`
	Method  string            `json:"method"`
	Target  string            `json:"target"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Weight  int               `json:"weight"`
	Close   bool              `json:"close"`
}

// request is one request on its way. A time that was not reached is zero.
type request struct {
	id   string
	kind *kind
	due  time.Time
	sent time.Time
}

// answer is what came back; problem says why nothing whole did.
type answer struct {
	status     int
	side       string
	digest     uint32
	retryAfter bool
	close      bool
	problem    string
}

type loader struct {
	plan     *loadPlan
	out      *bufio.Writer
	outLock  sync.Mutex
	lock     sync.Mutex    // guards idle, open, queue and all below
	idle     []*connection // the one used last at the end
	all      map[*connection]struct{}
	queue    []*request
	number   int
	pending  sync.WaitGroup
	longest  int
	cards    []*kind
	stopping bool
}

type loadSummary struct {
	Sent         int `json:"sent"`
	LongestQueue int `json:"longest_queue"`
}

func (plan *loadPlan) run(stop <-chan struct{}) (any, error) {
	file, err := os.Create(plan.Records)
	if err != nil {
		return nil, err
	}
	load := &loader{plan: plan, out: bufio.NewWriterSize(file, 1<<20), all: map[*connection]struct{}{}}
	for _, each := range plan.Kinds {
		for range each.Weight {
			load.cards = append(load.cards, each)
		}
	}
	end := make(<-chan time.Time)
	if plan.DurationS > 0 {
		end = time.After(seconds(plan.DurationS))
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-stop:
		case <-end:
		}
		close(done)
	}()
	go load.sweep()
	begun()
	if plan.Rate > 0 {
		load.open(done)
	} else {
		load.closed(done)
	}
	load.pending.Wait() // every request ends: with an answer, with its connection or by the sweep
	load.outLock.Lock()
	defer load.outLock.Unlock()
	if err := load.out.Flush(); err != nil {
		return nil, err
	}
	return loadSummary{load.number, load.longest}, file.Close()
}

// next makes a request; kinds come in random order, as often as their weights say.
func (load *loader) next(due time.Time) *request {
	load.lock.Lock()
	defer load.lock.Unlock()
	load.number++
	load.pending.Add(1)
	id := fmt.Sprintf("%s-%d", load.plan.Run, load.number)
	return &request{id: id, kind: load.cards[rand.IntN(len(load.cards))], due: due}
}

// open sends at an even rate until done.
func (load *loader) open(done <-chan struct{}) {
	began := time.Now()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for count := 0; ; {
		select {
		case <-done:
			return
		case now := <-ticker.C:
			due := int(now.Sub(began).Seconds() * load.plan.Rate)
			for ; count < due; count++ {
				load.dispatch(load.next(began.Add(seconds(float64(count) / load.plan.Rate))))
			}
		}
	}
}

// dispatch sends on an idle connection, on a new one, or puts the request into the queue.
func (load *loader) dispatch(wanted *request) {
	for {
		found := load.take(wanted)
		if found == nil {
			return
		}
		if found.send(wanted) {
			return
		}
	}
}

// take is an idle connection; nil when the request is taken care of in another way.
func (load *loader) take(wanted *request) *connection {
	load.lock.Lock()
	defer load.lock.Unlock()
	if count := len(load.idle); count > 0 && !wanted.kind.Close {
		found := load.idle[count-1]
		load.idle = load.idle[:count-1]
		return found
	}
	if len(load.all) < load.plan.Connections {
		fresh := &connection{load: load}
		load.all[fresh] = struct{}{}
		go fresh.run(wanted)
		return nil
	}
	load.queue = append(load.queue, wanted)
	load.longest = max(load.longest, len(load.queue))
	return nil
}

// release gives the connection its next request from the queue, or puts it among the idle.
func (load *loader) release(free *connection) {
	load.lock.Lock()
	for index, waiting := range load.queue {
		if waiting.kind.Close {
			continue
		}
		load.queue = append(load.queue[:index], load.queue[index+1:]...)
		load.lock.Unlock()
		if !free.send(waiting) {
			load.dispatch(waiting)
		}
		return
	}
	free.used = time.Now()
	load.idle = append(load.idle, free)
	load.lock.Unlock()
}

// gone forgets a connection, and lets a request that waits have a new one.
func (load *loader) gone(ended *connection) {
	load.lock.Lock()
	delete(load.all, ended)
	for index, each := range load.idle {
		if each == ended {
			load.idle = append(load.idle[:index], load.idle[index+1:]...)
			break
		}
	}
	var waiting *request
	if len(load.queue) > 0 {
		waiting, load.queue = load.queue[0], load.queue[1:]
	}
	load.lock.Unlock()
	if waiting != nil {
		load.dispatch(waiting)
	}
}

// closed keeps each of the connections busy until done.
func (load *loader) closed(done <-chan struct{}) {
	var loops sync.WaitGroup
	for range load.plan.Connections {
		loops.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				load.oneAfterTheOther(done)
			}
		})
	}
	loops.Wait()
}

// oneAfterTheOther uses one connection until it ends or the load does.
func (load *loader) oneAfterTheOther(done <-chan struct{}) {
	now := time.Now()
	client := &connection{load: load, done: done}
	load.lock.Lock()
	load.all[client] = struct{}{}
	load.lock.Unlock()
	if !client.run(load.next(now)) {
		time.Sleep(reconnect)
	}
}

// sweep ends requests that got no answer in time, by closing their connections; and requests that
// waited as long for a connection.
func (load *loader) sweep() {
	for range time.Tick(sweepEvery) {
		late := time.Now().Add(-seconds(load.plan.TimeoutS))
		var over []*request
		load.lock.Lock()
		for each := range load.all {
			each.closeIfSentBefore(late)
		}
		load.closeIdle(time.Now().Add(-seconds(load.plan.IdleS)))
		kept := load.queue[:0]
		for _, waiting := range load.queue {
			if waiting.due.Before(late) {
				over = append(over, waiting)
			} else {
				kept = append(kept, waiting)
			}
		}
		load.queue = kept
		load.lock.Unlock()
		for _, each := range over {
			load.record(each, 0, answer{problem: "no connection was free"})
		}
	}
}

// closeIdle closes the connections that were used last before that time.
func (load *loader) closeIdle(before time.Time) {
	for len(load.idle) > 0 && load.idle[0].used.Before(before) {
		go load.idle[0].end(nil) // whose reader takes it from the others
		load.idle = load.idle[1:]
	}
}

// record writes one line; the columns are those of bench/stand/traffic.py.
func (load *loader) record(ended *request, port int, got answer) {
	now := time.Now()
	sent := int64(0)
	if !ended.sent.IsZero() {
		sent = micros(ended.sent)
	}
	problem := strings.Map(plain, got.problem)
	load.outLock.Lock()
	_, _ = fmt.Fprintf(load.out, "%s,%s,%d,%d,%d,%d,%s,%d,%d,%t,%s\n",
		ended.id, ended.kind.Name, micros(ended.due), sent, micros(now),
		got.status, got.side, port, got.digest, got.retryAfter, problem)
	load.outLock.Unlock()
	load.pending.Done()
}

// plain keeps a problem's text within its column.
func plain(letter rune) rune {
	if letter == ',' || letter == '\n' {
		return ' '
	}
	return letter
}
