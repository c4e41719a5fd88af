package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// A door is how clients come in: an address, a certificate that is its own
// authority, and the token of the one user.
type door struct {
	folder      string
	url         string
	token       string
	certificate []byte
}

func (d *door) path(name string) string { return filepath.Join(d.folder, name) }

func makeDoor(folder string, port int) (*door, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	d := &door{folder: folder, url: fmt.Sprintf("https://127.0.0.1:%d", port), token: hex.EncodeToString(secret)}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return nil, err
	}
	d.certificate = certificate
	signing, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		"server.crt": certificate,
		"server.key": key,
		"tokens.key": signing,
		"users.csv":  []byte(d.token + ",admin,admin,system:masters\n"),
		"kubeconfig": []byte(d.kubeconfig()),
	} {
		if err := os.WriteFile(d.path(name), content, 0o600); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *door) kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - name: check
    cluster: { server: %q, certificate-authority: %q }
users:
  - name: admin
    user: { token: %q }
contexts:
  - name: check
    context: { cluster: check, user: admin }
current-context: check
`, d.url, d.path("server.crt"), d.token)
}

func (d *door) flags() []string {
	return []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--tls-cert-file=" + d.path("server.crt"),
		"--tls-private-key-file=" + d.path("server.key"),
		"--cert-dir=" + d.folder,
		"--token-auth-file=" + d.path("users.csv"),
		"--service-account-issuer=" + d.url,
		"--service-account-key-file=" + d.path("tokens.key"),
		"--service-account-signing-key-file=" + d.path("tokens.key"),
	}
}

// announce says "ready" once the server does.
func (d *door) announce(ctx context.Context) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(d.certificate)
	client := &http.Client{
		Timeout:   time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	for ctx.Err() == nil {
		request, _ := http.NewRequestWithContext(ctx, "GET", d.url+"/readyz", nil)
		request.Header.Set("Authorization", "Bearer "+d.token)
		if answer, err := client.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				fmt.Println("ready")
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}
