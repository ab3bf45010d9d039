// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/viaduct-project/viaduct/internal/kernels"
	"github.com/viaduct-project/viaduct/internal/live"
)

// libssl plays a load between processes that use OpenSSL: the host has put them
// and their libraries into the initramfs.
func (l *log) libssl(w *live.Watch) error {
	load := kernels.Load{Server: "127.0.0.3", Connections: 4, Each: 3}
	server := exec.CommandContext(l.ctx, "/bin/tlspeer", "server", load.Server, "5061", "/tls/cert.pem", "/tls/key.pem", "workers=2")
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Wait()
	defer server.Process.Kill()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the server: %w", err)
	}
	// Its first connection is there to have all of them found and probed; with the
	// end of its input it begins.
	client := exec.CommandContext(l.ctx, "/bin/tlspeer", "client", load.Server, "5061", "begin=1", "workers=2",
		fmt.Sprintf("connections=%d", load.Connections), fmt.Sprintf("messages=%d", load.Each))
	var said strings.Builder
	client.Stderr = &said
	begin, err := client.StdinPipe()
	if err != nil {
		return err
	}
	if err := client.Start(); err != nil {
		return err
	}
	const processes = 1 + 2 + 1 // this one, the server's, the client
	err = errors.Join(l.probed(w, processes)(), begin.Close())
	if e := client.Wait(); e != nil {
		err = errors.Join(err, fmt.Errorf("the client: %w: %s", e, said.String()))
	}
	l.Load = &load
	return err
}
