// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"reflect"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// The records are read by casting: Go's idea of them must be the compiler's.
func TestRecordLayout(t *testing.T) {
	spec, err := loadPrograms()
	if err != nil {
		t.Fatal(err)
	}
	for name, typ := range map[string]reflect.Type{
		"holder":  reflect.TypeFor[programsHolder](),
		"look":    reflect.TypeFor[programsLook](),
		"options": reflect.TypeFor[programsOptions](),
		"moved":   reflect.TypeFor[programsMoved](),
		"wish":    reflect.TypeFor[programsWish](),
	} {
		var c *btf.Struct
		if err := spec.Types.TypeByName(name, &c); err != nil {
			t.Fatal(err)
		}
		if uintptr(c.Size) != typ.Size() {
			t.Errorf("struct %s: %d bytes in C, %d in Go", name, c.Size, typ.Size())
		}
		fields := reflect.VisibleFields(typ)
		own := fields[:0]
		for _, f := range fields {
			if len(f.Index) == 1 && f.Name != "_" {
				own = append(own, f)
			}
		}
		if len(own) != len(c.Members) {
			t.Errorf("struct %s: %d members in C, %d in Go", name, len(c.Members), len(own))
			continue
		}
		for i, m := range c.Members {
			if m.Offset.Bytes() != uint32(own[i].Offset) {
				t.Errorf("%s.%s: at %d in C, at %d in Go", name, m.Name, m.Offset.Bytes(), own[i].Offset)
			}
		}
	}
	for _, m := range []string{programsMapTargets, programsMapWishes} {
		if got := int(spec.Maps[m].MaxEntries); got != targetsMax {
			t.Errorf("a pass is about at most %d sockets in C (%s), %d in Go", got, m, targetsMax)
		}
	}
}
