// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"debug/buildinfo"
	"fmt"
	"go/version"

	"github.com/cilium/ebpf/link"

	"github.com/viaduct-project/viaduct/internal/gofunc"
)

// goFunctions of crypto/tls are described in bpf/include/plain_go.h.
var goFunctions = []string{"crypto/tls.(*halfConn).encrypt", "crypto/tls.(*halfConn).decrypt"}

// goOldest is the first version with which arguments are in registers on all
// architectures.
const goOldest = "go1.18"

// FollowGo probes crypto/tls in a process that runs a Go program, which is given
// as a file that can be opened here, and has its children told of. The error is
// [gofunc.ErrAbsent] if the program has no crypto/tls.
func (l *Probes) FollowGo(pid int, program string) error {
	return l.follow(pid, func() error {
		found, err := l.goFunctionsOf(program)
		if err != nil {
			return err
		}
		library, err := link.OpenExecutable(program)
		if err != nil {
			return fmt.Errorf("open the program: %w", err)
		}
		o, encrypt, decrypt := &l.objects, found[0], found[1]
		// Returns first, as in attach.
		for _, g := range []*group{
			goGroup(o.PlainGoEncrypted, goFunctions[0], encrypt.Returns),
			goGroup(o.PlainGoDecrypted, goFunctions[1], decrypt.Returns),
			goGroup(o.PlainGoEncrypt, goFunctions[0], []uint64{encrypt.Entry}),
			goGroup(o.PlainGoDecrypt, goFunctions[1], []uint64{decrypt.Entry}),
		} {
			if err := l.attachGroup(library, pid, g); err != nil {
				return fmt.Errorf("probe crypto/tls of %s in process %d: %w", program, pid, err)
			}
		}
		return nil
	})
}

// goFunctionsOf reads a program, once for each file.
func (l *Probes) goFunctionsOf(path string) ([]gofunc.Function, error) {
	id, err := fileOf(path)
	if err != nil {
		return nil, err
	}
	if found, ok := l.programs[id]; ok {
		return found, nil
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read which Go the program %s was built with: %w", path, err)
	}
	if version.IsValid(info.GoVersion) && version.Compare(info.GoVersion, goOldest) < 0 {
		return nil, fmt.Errorf("%s was built with %s; %s is the oldest whose crypto/tls is probed", path, info.GoVersion, goOldest)
	}
	found, err := gofunc.Find(path, goFunctions...)
	if err != nil {
		return nil, err
	}
	if len(l.programs) >= maxFiles {
		clear(l.programs)
	}
	l.programs[id] = found
	return found, nil
}
