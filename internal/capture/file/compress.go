// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bufio"
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// window bounds what a zstd file can make us remember: as much as the command
// zstd takes without being told.
const window = 128 << 20

// decompress returns what r holds, whatever it is packed in.
func decompress(r *bufio.Reader) (_ *bufio.Reader, release func(), err error) {
	magic, _ := r.Peek(4) // too short a file fails where the format is told
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("decompress the capture: %w", err)
		}
		return bufio.NewReaderSize(z, readAhead), func() { z.Close() }, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(window), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, fmt.Errorf("decompress the capture: %w", err)
		}
		return bufio.NewReaderSize(z, readAhead), z.Close, nil
	}
	return r, func() {}, nil
}
