// A client of the SPIFFE Workload API by go-spiffe. It prints one JSON object a line and ends when its standard input does.
//
//	fetch AUDIENCE    X.509-SVID, JWT-SVID and bundles, each verified
//	watch             every update of the X.509 context and of the bundles
//	serve ID          mutual TLS on a free port, for the peer with this SPIFFE ID
//	dial ADDRESS ID   mutual TLS to the peer with this SPIFFE ID
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"sync"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

type line map[string]any

var output sync.Mutex

func say(what line) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(what)
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := run(ctx, os.Args[1:]); err != nil {
		say(line{"event": "error", "code": status.Code(err).String(), "message": err.Error()})
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "fetch":
		return fetch(ctx, args[1])
	case len(args) == 1 && args[0] == "watch":
		return watch(ctx)
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, args[1])
	case len(args) == 3 && args[0] == "dial":
		return dial(ctx, args[1], args[2])
	}
	return fmt.Errorf("usage: fetch AUDIENCE | watch | serve ID | dial ADDRESS ID")
}

func fetch(ctx context.Context, audience string) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	svid, err := client.FetchX509SVID(ctx)
	if err != nil {
		return err
	}
	bundles, err := client.FetchX509Bundles(ctx)
	if err != nil {
		return err
	}
	verified, _, err := x509svid.Verify(svid.Certificates, bundles)
	if err != nil {
		return fmt.Errorf("X.509-SVID: %w", err)
	}
	token, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return err
	}
	keys, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return err
	}
	parsed, err := jwtsvid.ParseAndValidate(token.Marshal(), keys, []string{audience})
	if err != nil {
		return fmt.Errorf("JWT-SVID: %w", err)
	}
	validated, err := client.ValidateJWTSVID(ctx, token.Marshal(), audience)
	if err != nil {
		return err
	}
	_, other := client.ValidateJWTSVID(ctx, token.Marshal(), audience+"/other")
	_, foreign := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience, Subject: spiffeid.RequireFromString("spiffe://test.example/agent/nobody")})
	_, wit := client.FetchWITSVID(ctx, "")
	say(line{
		"event": "fetched", "id": verified.String(), "hint": svid.Hint, "domains": domainsOf(bundles), "jwt": parsed.ID.String(),
		"validated": validated.ID.String(), "otherAudience": status.Code(other).String(), "otherSubject": status.Code(foreign).String(),
		"wit": status.Code(wit).String(),
	})
	return nil
}

func domainsOf(bundles *x509bundle.Set) []string {
	names := []string{}
	for _, bundle := range bundles.Bundles() {
		names = append(names, bundle.TrustDomain().Name())
	}
	sort.Strings(names)
	return names
}

type watcher struct{}

func (watcher) OnX509ContextUpdate(c *workloadapi.X509Context) {
	say(line{"event": "x509", "id": c.DefaultSVID().ID.String(), "serial": c.DefaultSVID().Certificates[0].SerialNumber.Text(16), "domains": domainsOf(c.Bundles)})
}

func (watcher) OnX509ContextWatchError(err error) {
	say(line{"event": "x509-error", "code": status.Code(err).String()})
}

func (watcher) OnX509BundlesUpdate(bundles *x509bundle.Set) {
	say(line{"event": "x509-bundles", "domains": domainsOf(bundles)})
}

func (watcher) OnX509BundlesWatchError(err error) {
	say(line{"event": "x509-bundles-error", "code": status.Code(err).String()})
}

func (watcher) OnJWTBundlesUpdate(bundles *jwtbundle.Set) {
	names := []string{}
	for _, bundle := range bundles.Bundles() {
		names = append(names, bundle.TrustDomain().Name())
	}
	sort.Strings(names)
	say(line{"event": "jwt-bundles", "domains": names})
}

func (watcher) OnJWTBundlesWatchError(err error) {
	say(line{"event": "jwt-bundles-error", "code": status.Code(err).String()})
}

func watch(ctx context.Context) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	go func() { _ = client.WatchX509Bundles(ctx, watcher{}) }()
	go func() { _ = client.WatchJWTBundles(ctx, watcher{}) }()
	_ = client.WatchX509Context(ctx, watcher{})
	return nil
}

func serve(ctx context.Context, expected string) error {
	id, err := spiffeid.FromString(expected)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	mode := spiffetls.MTLSServerWithSource(tlsconfig.AuthorizeID(id), source)
	listener, err := spiffetls.ListenWithMode(ctx, "tcp", "127.0.0.1:0", mode)
	if err != nil {
		return err
	}
	go func() {
		for source.WaitUntilUpdated(ctx) == nil {
			say(line{"event": "updated"})
		}
	}()
	go func() {
		<-ctx.Done()
		_ = listener.Close()
	}()
	say(line{"event": "listening", "address": listener.Addr().String()})
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil
		}
		answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	said, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		say(line{"event": "refused"})
		return
	}
	peer, _ := spiffetls.PeerIDFromConn(conn)
	_, _ = conn.Write([]byte("heard " + said))
	say(line{"event": "served", "peer": peer.String()})
}

func dial(ctx context.Context, address, expected string) error {
	id, err := spiffeid.FromString(expected)
	if err != nil {
		return err
	}
	conn, err := spiffetls.Dial(ctx, "tcp", address, tlsconfig.AuthorizeID(id))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = conn.Write([]byte("go\n")); err != nil {
		return err
	}
	heard, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	peer, err := spiffetls.PeerIDFromConn(conn)
	if err != nil {
		return err
	}
	secured, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return fmt.Errorf("not a TLS connection: %T", conn)
	}
	serial := secured.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
	say(line{"event": "dialled", "peer": peer.String(), "serial": serial, "heard": heard})
	return nil
}
