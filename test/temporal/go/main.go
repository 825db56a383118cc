// Activities as the Go SDK of Temporal sees them, through any server that it
// can talk to. Each scenario has a queue and a worker of its own; what its
// client sees is printed, and written to a file, to be compared with what
// Temporal's server gave.
//
//	go run . -addr 127.0.0.1:7233 -out DIR [scenario...]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
)

type scenario struct {
	name string
	run  func(ctx context.Context, p *probe)
}

// probe is one scenario in progress.
type probe struct {
	client client.Client
	queue  string
	tag    string // unique for this run
	lines  []string
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// say notes a line, without what differs from run to run.
func (p *probe) say(format string, arguments ...any) {
	line := strings.ReplaceAll(fmt.Sprintf(format, arguments...), p.tag, "TAG")
	line = uuids.ReplaceAllString(line, "UUID")
	fmt.Println("   ", line)
	p.lines = append(p.lines, line)
}

// sayError notes an error and what it wraps.
func (p *probe) sayError(err error) {
	for ; err != nil; err = errors.Unwrap(err) {
		p.say("  %T: %v", err, err)
	}
}

// work has a worker run the function as activity "A" until the result is called.
func (p *probe) work(function func(context.Context, string) (string, error)) func() {
	w := worker.New(p.client, p.queue, worker.Options{DisableWorkflowWorker: true})
	w.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: "A"})
	if err := w.Start(); err != nil {
		log.Fatal(err)
	}
	return w.Stop
}

// start has the activity of the scenario started; nil if it was refused.
func (p *probe) start(ctx context.Context, name string, o client.StartActivityOptions) client.ActivityHandle {
	o.ID, o.TaskQueue = "gw-"+name+"-"+p.tag, p.queue
	if o.ScheduleToCloseTimeout == 0 {
		o.ScheduleToCloseTimeout = 30 * time.Second
	}
	handle, err := p.client.ExecuteActivity(ctx, o, "A", "arg")
	if err != nil {
		p.say("start: %T %v", err, err)
		return nil
	}
	return handle
}

// result waits for the end.
func (p *probe) result(ctx context.Context, handle client.ActivityHandle) {
	var value any
	err := handle.Get(ctx, &value)
	p.say("result %v err %v", value, err)
	p.sayError(err)
}

func (p *probe) describe(ctx context.Context, handle client.ActivityHandle) {
	d, err := handle.Describe(ctx, client.DescribeActivityOptions{
		IncludeOutcome: true, IncludeHeartbeatDetails: true, IncludeLastFailure: true})
	if err != nil {
		p.say("describe: %T %v", err, err)
		return
	}
	p.say("describe: %v %v attempt %d type %s queue %s", d.Status, d.RunState, d.Attempt, d.ActivityType, d.TaskQueue)
}

// until asks again and again whether something is so.
func until(what string, is func() bool) {
	for deadline := time.Now().Add(60 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			panic("waited too long for " + what)
		}
	}
}

func run(s scenario, address, tag, out string) {
	c, err := client.Dial(client.Options{HostPort: address, Logger: silent{}, Identity: "sdk-test"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println("==", s.name)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	p := &probe{client: c, queue: "gwtq-" + s.name + "-" + tag, tag: tag}
	func() {
		defer func() {
			if problem := recover(); problem != nil {
				p.say("PANIC %v", problem)
			}
		}()
		s.run(ctx, p)
	}()
	text := strings.Join(p.lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(out, s.name+".out.txt"), []byte(text), 0644); err != nil {
		log.Fatal(err)
	}
}

func main() {
	address := flag.String("addr", "127.0.0.1:7233", "where the server is")
	out := flag.String("out", "out", "where files are written")
	flag.Parse()
	wanted := map[string]bool{}
	for _, name := range flag.Args() {
		wanted[name] = true
	}
	if err := os.MkdirAll(*out, 0755); err != nil {
		log.Fatal(err)
	}
	tag := fmt.Sprintf("%x", time.Now().UnixNano()&0xffffffff)
	for _, s := range activities {
		if len(wanted) == 0 || wanted[s.name] {
			run(s, *address, tag, *out)
		}
	}
}

// beatUntilCanceled heartbeats until it hears that it is cancelled.
func beatUntilCanceled(ctx context.Context) (string, error) {
	for i := range 100 {
		activity.RecordHeartbeat(ctx, i)
		select {
		case <-ctx.Done():
			return "", temporal.NewCanceledError("cleaned up", 7)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return "never cancelled", nil
}
