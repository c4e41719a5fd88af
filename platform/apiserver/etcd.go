package main

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

type store struct {
	etcd     *embed.Etcd
	endpoint string
}

// startEtcd serves on Unix sockets in the folder: nobody else gets in.
func startEtcd(folder string) (*store, error) {
	config := embed.NewConfig()
	config.Dir = filepath.Join(folder, "etcd")
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	// etcd takes sockets that look like a host and a port, in the working folder
	if err := os.Chdir(folder); err != nil {
		return nil, err
	}
	client := url.URL{Scheme: "unix", Host: "client:1"}
	peer := url.URL{Scheme: "unix", Host: "peer:1"}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return &store{etcd: etcd, endpoint: client.String()}, nil
	case err := <-etcd.Err():
		return nil, err
	case <-time.After(time.Minute):
		etcd.Close()
		return nil, errors.New("etcd did not become ready")
	}
}

func (s *store) flags() []string { return []string{"--etcd-servers=" + s.endpoint} }

func (s *store) Close() { s.etcd.Close() }
