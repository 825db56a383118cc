// What a standalone activity costs: clients start one after the other and wait
// for its result, a worker of the same program does them.
//
//	go run ./bench -addr ADDRESS -clients 20 -pollers 10 -seconds 20 [-gateway PID] [-postmaster PID]
//
// With the process ids it says how much CPU the gateway and the server, with
// all of its processes, took for each activity.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// fields of /proc/PID/stat behind the name: the first is the state
func stat(pid string) []string {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
}

func ticks(fields []string, places ...int) (sum float64) {
	for _, place := range places {
		if place < len(fields) {
			n, _ := strconv.ParseFloat(fields[place], 64)
			sum += n
		}
	}
	return sum
}

// milliseconds of CPU of a process, and of its children if they count
func cpu(pid int, children bool) float64 {
	if pid == 0 {
		return 0
	}
	parent := strconv.Itoa(pid)
	const user, system, deadUser, deadSystem = 11, 12, 13, 14
	sum := ticks(stat(parent), user, system)
	if children {
		sum += ticks(stat(parent), deadUser, deadSystem)
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, path := range all {
			if fields := stat(filepath.Base(path)); len(fields) > 1 && fields[1] == parent {
				sum += ticks(fields, user, system)
			}
		}
	}
	return sum * 10
}

func main() {
	address := flag.String("addr", "127.0.0.1:7233", "where the server is")
	clients := flag.Int("clients", 20, "activities at a time")
	pollers := flag.Int("pollers", 10, "polls of the worker at a time")
	seconds := flag.Int("seconds", 20, "how long")
	gateway := flag.Int("gateway", 0, "process id of the gateway")
	postmaster := flag.Int("postmaster", 0, "process id of the postmaster")
	flag.Parse()

	c, err := client.Dial(client.Options{HostPort: *address, Logger: silent{}})
	if err != nil {
		log.Fatal(err)
	}
	queue := fmt.Sprint("bench-", time.Now().UnixNano())
	w := worker.New(c, queue, worker.Options{MaxConcurrentActivityTaskPollers: *pollers, DisableWorkflowWorker: true})
	w.RegisterActivityWithOptions(func(ctx context.Context, s string) (string, error) { return s, nil },
		activity.RegisterOptions{Name: "echo"})
	if err := w.Start(); err != nil {
		log.Fatal(err)
	}
	time.Sleep(time.Second)

	var mutex sync.Mutex
	var took []time.Duration
	var failed int
	one := func(id string) {
		began := time.Now()
		var result string
		handle, err := c.ExecuteActivity(context.Background(), client.StartActivityOptions{
			ID: id, TaskQueue: queue, ScheduleToCloseTimeout: time.Minute}, "echo", "x")
		if err == nil {
			err = handle.Get(context.Background(), &result)
		}
		mutex.Lock()
		defer mutex.Unlock()
		if err != nil {
			failed++
		} else {
			took = append(took, time.Since(began))
		}
	}
	gatewayBefore, serverBefore := cpu(*gateway, false), cpu(*postmaster, true)
	began := time.Now()
	var group sync.WaitGroup
	for i := range *clients {
		group.Go(func() {
			for n := 0; time.Since(began) < time.Duration(*seconds)*time.Second; n++ {
				one(fmt.Sprint(queue, "-", i, "-", n))
			}
		})
	}
	group.Wait()
	elapsed := time.Since(began)
	gatewayCPU, serverCPU := cpu(*gateway, false)-gatewayBefore, cpu(*postmaster, true)-serverBefore
	w.Stop()

	if len(took) == 0 {
		log.Fatal("nothing succeeded")
	}
	slices.Sort(took)
	count := float64(len(took))
	fmt.Printf("%d clients: %.0f activities/s, %d failed, p50 %.2f ms, p99 %.2f ms\n", *clients, count/elapsed.Seconds(),
		failed, took[len(took)/2].Seconds()*1000, took[len(took)*99/100].Seconds()*1000)
	fmt.Printf("CPU for each: gateway %.3f ms, PostgreSQL %.3f ms, both %.3f ms\n", gatewayCPU/count, serverCPU/count,
		(gatewayCPU+serverCPU)/count)
}
