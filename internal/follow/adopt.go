// SPDX-License-Identifier: Apache-2.0

package follow

import "time"

// tryFamily looks again until nobody is new: those that were forked before their
// parent was followed are told of by nobody.
func (f *Follower) tryFamily(pid int, now time.Time) {
	tried := make(map[int]bool)
	for before := -1; before < len(tried); {
		before = len(tried)
		for _, one := range family(proc, pid) {
			if !tried[one] && len(tried) < maxProcesses {
				tried[one] = true
				f.try(one, now)
			}
		}
	}
}

// adopt follows a child, if it does its parent's work and not another's, and the
// children that it had before.
func (f *Follower) adopt(pid int) {
	if p := f.state[parentOf(proc, pid)]; p != nil && p.followed {
		if runs, ok := programOf(proc, pid); ok && runs == p.runs {
			f.try(pid, p.wanted)
			for _, child := range childrenOf(proc, pid) {
				if f.state[child] == nil {
					f.adopt(child)
				}
			}
		}
	}
}
