// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os/exec"

	"github.com/viaduct-project/viaduct/internal/kernels"
)

// libssl plays a load between processes that use OpenSSL: the host has put them
// and their libraries into the initramfs.
func (l *log) libssl() error {
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
	// Its first connection is there to have it found and probed.
	run, err := execute(l.ctx, []string{
		"/bin/tlspeer", "client", load.Server, "5061", "scout=5000", "workers=2",
		fmt.Sprintf("connections=%d", load.Connections), fmt.Sprintf("messages=%d", load.Each),
	})
	if err == nil && run.Exit != 0 {
		err = fmt.Errorf("the client: exit code %d: %s", run.Exit, run.Stderr)
	}
	l.Load = &load
	return err
}
