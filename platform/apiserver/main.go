// A Kubernetes API server to check manifests against: the real one, with the
// real etcd, in one process.  There is no cluster behind it.
//
//	apiserver FOLDER
//
// FOLDER is empty at first; what the two store goes there, and a kubeconfig.
// "ready" on the standard output says that it serves, on loopback alone.  It
// ends when its standard input does, and takes the folder with it: so nothing
// outlives who started it.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apiserver FOLDER")
		os.Exit(2)
	}
	folder, err := filepath.Abs(os.Args[1])
	if err == nil {
		err = serve(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apiserver:", err)
		os.Exit(1)
	}
}

func serve(folder string) error {
	defer os.RemoveAll(folder)
	ctx := genericapiserver.SetupSignalContext()
	store, err := startEtcd(folder)
	if err != nil {
		return err
	}
	defer store.Close()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	door, err := makeDoor(folder, listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return err
	}
	server := options.NewServerRunOptions()
	if err := parse(server, door.flags(), store.flags()); err != nil {
		return err
	}
	server.SecureServing.Listener = listener
	completed, err := server.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return errs[0]
	}
	go func() {
		// not before it is ready: it does not like to be stopped while it starts
		door.announce(ctx)
		io.Copy(io.Discard, os.Stdin)
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	return app.Run(ctx, completed)
}

func parse(server *options.ServerRunOptions, door, store []string) error {
	flags := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	sets := server.Flags()
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	args := append([]string{
		// as in a cluster: whoever may write, may write; what is written is judged
		"--authorization-mode=AlwaysAllow",
		// pods are judged without a controller that makes their accounts
		"--disable-admission-plugins=ServiceAccount",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--endpoint-reconciler-type=none",
		"--enable-priority-and-fairness=false",
		"--profiling=false",
	}, append(door, store...)...)
	if err := flags.Parse(args); err != nil {
		return err
	}
	klog.LogToStderr(true)
	return server.GenericServerRunOptions.ComponentGlobalsRegistry.Set()
}
