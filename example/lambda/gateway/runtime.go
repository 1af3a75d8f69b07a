package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// A Runtime is Lambda's Runtime API, on the loopback interface, and the process of the
// function that is connected to it.
type Runtime struct {
	cmd      *exec.Cmd
	server   *http.Server
	events   chan invocation
	mu       sync.Mutex
	count    int
	waiting  map[string]invocation
	ended    chan struct{} // the process has ended
	initFail chan string
}

type invocation struct {
	event  []byte
	answer chan<- reply
}

type reply struct {
	*Answer
	err error
}

// Start starts the program bootstrap with those environment variables, as a cold
// start does.
func Start(bootstrap string, env ...string) (*Runtime, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	rt := &Runtime{
		events: make(chan invocation), waiting: map[string]invocation{},
		ended: make(chan struct{}), initFail: make(chan string, 1),
	}
	const prefix = "/2018-06-01/runtime/"
	router := http.NewServeMux()
	router.HandleFunc("GET "+prefix+"invocation/next", rt.next)
	router.HandleFunc("POST "+prefix+"invocation/{id}/response", rt.response)
	router.HandleFunc("POST "+prefix+"invocation/{id}/error", rt.failure)
	rt.server = &http.Server{Handler: router}
	go rt.server.Serve(listener)
	rt.cmd = exec.Command(bootstrap)
	rt.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String()}, env...)
	rt.cmd.Stderr = os.Stderr
	if err := rt.cmd.Start(); err != nil {
		rt.server.Close()
		return nil, err
	}
	go func() {
		rt.cmd.Wait() // says that it was killed
		close(rt.ended)
	}()
	return rt, nil
}

// Stop ends the process, as Lambda does with one that it needs no more.
func (rt *Runtime) Stop() {
	rt.cmd.Process.Kill()
	<-rt.ended
	rt.server.Close()
}

// Invoke hands the event to the process. It returns when the process answers, of a
// stream: when it begins to.
func (rt *Runtime) Invoke(ctx context.Context, event []byte) (*Answer, error) {
	answer := make(chan reply, 1)
	select {
	case rt.events <- invocation{event, answer}:
	case <-rt.ended:
		return nil, errors.New("the process has ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case r := <-answer:
		return r.Answer, r.err
	case <-rt.ended:
		return nil, errors.New("the process has ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (rt *Runtime) next(w http.ResponseWriter, r *http.Request) {
	select {
	case next := <-rt.events:
		rt.mu.Lock()
		rt.count++
		id := strconv.Itoa(rt.count)
		rt.waiting[id] = next
		rt.mu.Unlock()
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-north-1:123456789012:function:visits")
		h.Set("Content-Type", "application/json")
		w.Write(next.event)
	case <-r.Context().Done():
	}
}

func (rt *Runtime) take(r *http.Request) invocation {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	id := r.PathValue("id")
	defer delete(rt.waiting, id)
	return rt.waiting[id]
}

func (rt *Runtime) response(w http.ResponseWriter, r *http.Request) {
	reader, writer := io.Pipe()
	rt.take(r).answer <- reply{Answer: &Answer{r.Header.Get("Content-Type"), reader}}
	_, err := io.Copy(writer, r.Body)
	writer.CloseWithError(err)
	w.WriteHeader(http.StatusAccepted)
}

func (rt *Runtime) failure(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	rt.take(r).answer <- reply{err: fmt.Errorf("the function failed: %s", text)}
	w.WriteHeader(http.StatusAccepted)
}
