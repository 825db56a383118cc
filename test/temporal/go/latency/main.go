// How long a task that SQL schedules takes to a worker that waits: its input is
// when the statement began, in seconds since 1970.
//
//	go run ./latency -addr ADDRESS -queue QUEUE -count 200
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"slices"
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

func main() {
	address := flag.String("addr", "127.0.0.1:7233", "where the server is")
	queue := flag.String("queue", "latency", "the task queue")
	count := flag.Int("count", 200, "end after so many")
	flag.Parse()

	c, err := client.Dial(client.Options{HostPort: *address, Logger: silent{}})
	if err != nil {
		log.Fatal(err)
	}
	arrived := make(chan float64, *count)
	w := worker.New(c, *queue, worker.Options{DisableWorkflowWorker: true})
	w.RegisterActivityWithOptions(func(ctx context.Context, began float64) error {
		arrived <- float64(time.Now().UnixMicro())/1000 - began*1000
		return nil
	}, activity.RegisterOptions{Name: "arrive"})
	if err := w.Start(); err != nil {
		log.Fatal(err)
	}
	defer w.Stop()
	var took []float64
	for len(took) < *count {
		took = append(took, <-arrived)
	}
	slices.Sort(took)
	fmt.Printf("p50 %.2f ms, p90 %.2f ms, p99 %.2f ms\n", took[len(took)/2], took[len(took)*9/10], took[len(took)*99/100])
}
