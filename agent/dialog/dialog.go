// SPDX-License-Identifier: Apache-2.0

// Package dialog knows which dialogs (RFC 3261 section 12) began on which
// connection and whether they have ended: what tells a connection that only
// served a call from one that outlives calls.
package dialog

import (
	"hash/maphash"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/lasting"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/internal/event"
)

var seed = maphash.MakeSeed()

// ID stands for a dialog as one side has it: Call-ID, the tag of the local side
// and that of the remote side (RFC 3261 section 12). The order matters: where
// both ends are on this host each has the dialog once, and so has each hop of a
// proxy.
type ID uint64

// Of returns the id, and false if a tag or the Call-ID is missing: there is no
// dialog then (yet).
func Of(callID, localTag, remoteTag []byte) (ID, bool) {
	if len(callID) == 0 || len(localTag) == 0 || len(remoteTag) == 0 {
		return 0, false
	}
	tags := maphash.Bytes(seed, localTag)*31 + maphash.Bytes(seed, remoteTag)
	return ID(maphash.Bytes(seed, callID)*31 + tags), true
}

// Lasting returns a number for the same that other processes come to as well,
// 0 where there is no dialog.
func Lasting(callID, localTag, remoteTag []byte) uint64 {
	if len(callID) == 0 || len(localTag) == 0 || len(remoteTag) == 0 {
		return 0
	}
	return lasting.Hash(callID, localTag, remoteTag) | 1
}

// Owner is a connection's end of the table.
type Owner struct {
	Conn    *fact.Conn
	dialogs chain.Chain[Dialog]
	Begun   uint32
	Ended   uint32
	EndedAt event.Time // of the latest
}

// Dialog is one that began and has not ended.
type Dialog struct {
	ID    ID
	By    event.Direction // of the request that formed it
	Conn  *fact.Conn      // on which it was formed
	Begun event.Time
	Notes *note.Pad

	owner *Owner
	until event.Time         // end of a subscription, 0 if it has none
	own   chain.Link[Dialog] // of the owner
	age   chain.Link[Dialog] // of the table
}

// Table holds at most Limit dialogs.
type Table struct {
	Limit   int
	Evicted uint64

	byID map[ID]*Dialog
	all  chain.Chain[Dialog] // as they began
}

// New returns an empty table.
func New(limit int) *Table { return &Table{Limit: limit, byID: make(map[ID]*Dialog)} }

// Len is the number of dialogs held.
func (tb *Table) Len() int { return len(tb.byID) }

// Find returns a dialog that has begun and not ended, or nil.
func (tb *Table) Find(id ID) *Dialog { return tb.byID[id] }

// Begin notes that the dialog was confirmed on o, by a request that went in
// direction by. until is 0 for one that only a message ends. It returns false
// for a dialog that is known, whose until is then renewed.
func (tb *Table) Begin(o *Owner, id ID, by event.Direction, t, until event.Time) (*Dialog, bool) {
	if d := tb.byID[id]; d != nil {
		d.until = until
		return d, false
	}
	if oldest := tb.all.First(); len(tb.byID) >= tb.Limit && oldest != nil {
		tb.Evicted++
		tb.remove(oldest)
	}
	d := &Dialog{ID: id, By: by, Conn: o.Conn, Begun: t, owner: o, until: until}
	d.own.Join(&o.dialogs, d)
	d.age.Join(&tb.all, d)
	tb.byID[id] = d
	o.Begun++
	return d, true
}

// End notes that the dialog is over, wherever that was said, and returns it,
// or nil if it is not known.
func (tb *Table) End(id ID, t event.Time) *Dialog {
	d := tb.byID[id]
	if d == nil {
		return nil
	}
	d.owner.Ended++
	d.owner.EndedAt = t
	tb.remove(d)
	return d
}

// Expire ends o's subscriptions that ran out and calls ended for each.
func (o *Owner) Expire(tb *Table, now event.Time, ended func(*Dialog)) {
	for d := o.dialogs.Last(); d != nil; {
		next := d.own.Prev()
		if d.until != 0 && d.until <= now {
			ended(tb.End(d.ID, d.until))
		}
		d = next
	}
}

// Alive counts o's dialogs that had not ended at t.
func (o *Owner) Alive(t event.Time) int {
	n := 0
	for d := o.dialogs.First(); d != nil; d = d.own.Next() {
		if d.until == 0 || d.until > t {
			n++
		}
	}
	return n
}

// Release drops the dialogs of o: its connection is gone.
func (tb *Table) Release(o *Owner) {
	for d := o.dialogs.Last(); d != nil; d = o.dialogs.Last() {
		tb.remove(d)
	}
}

func (tb *Table) remove(d *Dialog) {
	delete(tb.byID, d.ID)
	d.own.Leave()
	d.age.Leave()
}
