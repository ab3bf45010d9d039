// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"
)

const (
	// headerWait, idleWait and shutdownWait bound what a slow client can hold up.
	headerWait   = 10 * time.Second
	idleWait     = 2 * time.Minute
	shutdownWait = 5 * time.Second
	headerBytes  = 32 << 10
)

// Validate says what is wrong with a web configuration file, in one line.
func Validate(file string) error {
	if err := web.Validate(file); err != nil {
		return errors.New(strings.Join(strings.Fields(err.Error()), " ")) // of YAML it has several lines
	}
	return nil
}

// Listen opens a listener for each address. The caller closes them.
func Listen(addresses []string) (all []net.Listener, err error) {
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			Close(all)
			return nil, fmt.Errorf("serve metrics: %w; choose another address with --web.listen-address", err)
		}
		all = append(all, l)
	}
	return all, nil
}

// Close closes the listeners.
func Close(all []net.Listener) {
	for _, l := range all {
		_ = l.Close() // may be closed already, by the server
	}
}

// Serve answers on the listeners until ctx is done, and then lets requests
// under way finish. Contexts of requests are done when ctx is.
func Serve(ctx context.Context, all []net.Listener, o Options) error {
	server := &http.Server{
		Handler:           NewHandler(o),
		ReadHeaderTimeout: headerWait,
		IdleTimeout:       idleWait,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	serving, ctx := errgroup.WithContext(ctx)
	for _, l := range all {
		serving.Go(func() error {
			err := web.Serve(l, server, &web.FlagConfig{WebConfigFile: &o.ConfigFile}, o.Log)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return fmt.Errorf("serve metrics: %w", err)
		})
	}
	serving.Go(func() error {
		<-ctx.Done() // or one of the listeners has failed
		return shutdown(server)
	})
	return serving.Wait()
}

func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownWait)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close() // somebody is slow; the probes must not wait for that
	}
	return nil
}
