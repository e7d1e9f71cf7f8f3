// The kubelet of a node that runs nothing: commands, forwarded ports and logs of any Pod on it are those of this process.
//
// kube-apiserver passes exec, port-forward and logs on to a node's kubelet. This one speaks Kubernetes' own streaming protocols
// and leaves the containers out.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"k8s.io/apimachinery/pkg/types"
	remotecommandconsts "k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/kubelet/pkg/cri/streaming/portforward"
	remotecommandserver "k8s.io/kubelet/pkg/cri/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const (
	idleTimeout     = time.Hour
	creationTimeout = 30 * time.Second
	// How often a log that is followed is looked at.
	logInterval = 5 * time.Millisecond
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	certificate := flag.String("certificate", "", "file with the certificate")
	key := flag.String("key", "", "file with its key")
	logFile := flag.String("log", "", "file that is every container's log")
	flag.Parse()
	if err := serve(*listen, *certificate, *key, *logFile); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, certificate, key, logFile string) error {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", execute)
	mux.HandleFunc("/portForward/{namespace}/{pod}", forward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, req *http.Request) { logs(w, req, logFile) })
	// No HTTP/2: what is upgraded is a connection.
	server := http.Server{Addr: listen, Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}}
	return server.ListenAndServeTLS("", "")
}

type container struct{}

func execute(w http.ResponseWriter, req *http.Request) {
	options, err := remotecommandserver.NewOptions(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	command := req.URL.Query()["command"]
	remotecommandserver.ServeExec(w, req, container{}, req.PathValue("pod"), "", req.PathValue("container"), command, options,
		idleTimeout, creationTimeout, remotecommandconsts.SupportedStreamingProtocols)
}

// ExecInContainer runs the command here. A terminal isn't made for it.
func (container) ExecInContainer(ctx context.Context, _ string, _ types.UID, _ string, command []string, in io.Reader, out, errors io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	if out != nil {
		cmd.Stdout = out
	}
	if errors != nil {
		cmd.Stderr = errors
	}
	if in != nil {
		// Copied here, so that the command needn't wait for the end of its input to end itself.
		pipe, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			defer pipe.Close()
			io.Copy(pipe, in)
		}()
	}
	err := cmd.Run()
	if exit, ok := err.(*exec.ExitError); ok {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

func forward(w http.ResponseWriter, req *http.Request) {
	options, err := portforward.NewV4Options(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, req, container{}, req.PathValue("pod"), "", options, idleTimeout, creationTimeout, portforward.SupportedProtocols)
}

// PortForward connects to a port here.
func (container) PortForward(ctx context.Context, _ string, _ types.UID, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() {
		io.Copy(conn, stream)
		conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, conn)
	return err
}

// Sends the log file, and with follow=true what is added to it, for as long as somebody listens.
func logs(w http.ResponseWriter, req *http.Request, logFile string) {
	file, err := os.Open(logFile)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer file.Close()
	w.Header().Set("Transfer-Encoding", "chunked")
	for {
		if copied, err := io.Copy(w, file); err != nil {
			return
		} else if copied > 0 {
			w.(http.Flusher).Flush()
		}
		if req.URL.Query().Get("follow") != "true" {
			return
		}
		select {
		case <-req.Context().Done():
			return
		case <-time.After(logInterval):
		}
	}
}
