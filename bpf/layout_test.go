// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf/btf"
)

// The records are read by casting: Go's idea of them must be the compiler's.
func TestRecordLayout(t *testing.T) {
	spec, err := loadPrograms()
	if err != nil {
		t.Fatal(err)
	}
	for name, typ := range map[string]reflect.Type{
		"record_head": reflect.TypeFor[programsRecordHead](),
		"data_record": reflect.TypeFor[programsDataRecord](),
		"life_record": reflect.TypeFor[programsLifeRecord](),
		"early_bytes": reflect.TypeFor[programsEarlyBytes](),
	} {
		var c *btf.Struct
		if err := spec.Types.TypeByName(name, &c); err != nil {
			t.Fatal(err)
		}
		if uintptr(c.Size) != typ.Size() {
			t.Errorf("struct %s: %d bytes in C, %d in Go", name, c.Size, typ.Size())
		}
		fields := reflect.VisibleFields(typ)[1:] // the first says that the layout is C's
		if len(fields) != len(c.Members) {
			t.Errorf("struct %s: %d members in C, %d in Go", name, len(c.Members), len(fields))
			continue
		}
		for i, m := range c.Members {
			if m.Offset.Bytes() != uint32(fields[i].Offset) {
				t.Errorf("%s.%s: at %d in C, at %d in Go", name, m.Name, m.Offset.Bytes(), fields[i].Offset)
			}
		}
	}
	// Ring records are aligned to 8 bytes; the payload follows without a gap.
	if n := unsafe.Sizeof(programsDataRecord{}); n%8 != 0 {
		t.Errorf("struct data_record has %d bytes, no multiple of 8", n)
	}
}

// Every value of the C enums has a meaning in Go.
func TestEnumsAreComplete(t *testing.T) {
	spec, err := loadPrograms()
	if err != nil {
		t.Fatal(err)
	}
	for name, known := range map[string]func(value uint64) bool{
		"record_kind": func(v uint64) bool {
			_, ok := lifeKinds[programsRecordKind(v)]
			return ok || programsRecordKind(v) == programsRecordKindRECORD_DATA || programsRecordKind(v) == programsRecordKindRECORD_WIRE
		},
		"direction": func(v uint64) bool { return v < uint64(len(directions)) },
		"ending": func(v uint64) bool {
			_, ok := endings[programsEnding(v)]
			return ok || programsEnding(v) == programsEndingENDING_NONE
		},
		"counter": func(v uint64) bool {
			_, ok := new(Counters).slots()[programsCounter(v)]
			return ok || programsCounter(v) == programsCounterCOUNTERS
		},
	} {
		var enum *btf.Enum
		if err := spec.Types.TypeByName(name, &enum); err != nil {
			t.Fatal(err)
		}
		for _, v := range enum.Values {
			if !known(v.Value) {
				t.Errorf("enum %s: %s is unknown in Go", name, v.Name)
			}
		}
	}
}

// One object for each architecture, of the same programs.
func TestObjectsOfBothArchitectures(t *testing.T) {
	for _, arch := range []string{"x86", "arm64"} {
		spec := loadObject(t, fmt.Sprintf("programs_%s_bpfel.o", arch))
		var names []string
		for name := range spec.Programs {
			names = append(names, name)
		}
		for _, want := range []string{"tcp_state", "packet_in", "packet_out", "scan_files", "scan_sockets"} {
			if !strings.Contains(strings.Join(names, " "), want) {
				t.Errorf("%s: program %s is missing among %v", arch, want, names)
			}
		}
		if license := spec.Programs["packet_in"].License; license != "Dual BSD/GPL" {
			t.Errorf("%s: licence %q", arch, license)
		}
	}
}
