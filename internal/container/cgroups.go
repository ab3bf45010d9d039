// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// mostCgroups bounds what is kept of a hierarchy.
const mostCgroups = 50_000

var errTooMany = errors.New("too many cgroups")

// walk returns the paths of the cgroups below root, from root, by id: the
// inode number of a cgroup's directory is its id. A cgroup that goes away
// meanwhile is left out.
func walk(root string) map[uint64]string {
	paths := make(map[uint64]string)
	// The error is that of the bound: what was found so far is good.
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		if len(paths) >= mostCgroups {
			return errTooMany
		}
		paths[info.Sys().(*syscall.Stat_t).Ino] = "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		return nil
	})
	return paths
}
