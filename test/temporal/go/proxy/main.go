// A proxy in front of several gateways: each call goes to another one than the
// call before.
//
//	go run ./proxy -listen 127.0.0.1:0 ADDRESS ADDRESS...
//
// It prints where it listens. A gateway that is not there is an error of the
// call, as it would be without the proxy.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// bytes is a message that nobody looks into.
type bytes struct{ data []byte }

type asTheyAre struct{}

func (asTheyAre) Name() string { return "proto" }
func (asTheyAre) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*bytes).data)}, nil
}
func (asTheyAre) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*bytes).data = data.Materialize()
	return nil
}

type proxy struct {
	gateways []*grpc.ClientConn
	calls    atomic.Uint64
}

// forward carries one unary call to the next gateway.
func (p *proxy) forward(_ any, in grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(in)
	var request, response bytes
	if err := in.RecvMsg(&request); err != nil {
		if err == io.EOF {
			return status.Error(codes.InvalidArgument, "no message")
		}
		return err
	}
	ctx := in.Context()
	if sent, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, sent.Copy())
	}
	gateway := p.gateways[p.calls.Add(1)%uint64(len(p.gateways))]
	if err := gateway.Invoke(ctx, method, &request, &response); err != nil {
		return err
	}
	return in.SendMsg(&response)
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "where to listen")
	flag.Parse()
	p := &proxy{}
	for _, gateway := range flag.Args() {
		c, err := grpc.NewClient(gateway, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(asTheyAre{})))
		if err != nil {
			log.Fatal(err)
		}
		c.Connect()
		p.gateways = append(p.gateways, c)
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	server := grpc.NewServer(grpc.ForceServerCodecV2(asTheyAre{}), grpc.UnknownServiceHandler(p.forward))
	go func() {
		// whoever started it ends it by closing its input
		io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	if err := server.Serve(listener); err != nil && err != context.Canceled {
		log.Fatal(err)
	}
}
