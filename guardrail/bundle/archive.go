package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Limits are how much an archive may hold.
type Limits struct {
	// Compressed and Unpacked are bytes, of the archive and of all that is in it.
	Compressed, Unpacked int64
	Files                int
}

// DefaultLimits leave room for some thousand guardrails.
func DefaultLimits() Limits { return Limits{Compressed: 8 << 20, Unpacked: 32 << 20, Files: 2000} }

// maxName is how long the name of a file may be.
const maxName = 256

// contents are the files of an archive by their names, which begin with no slash.
type contents map[string][]byte

func (c contents) names() []string { return slices.Sorted(maps.Keys(c)) }

// unpack reads an archive into memory. It is strict, because whoever can put files into an
// archive must not choose which of two readers sees what: only plain files, each name once,
// nothing above the root, and a gzip stream that is whole.
func unpack(raw []byte, l Limits) (contents, error) {
	if int64(len(raw)) > l.Compressed {
		return nil, Refuse(TooLarge, "the archive has more than %d bytes", l.Compressed)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, Refuse(Broken, "is no gzipped tar archive: %w", err)
	}
	plain := &bounded{from: zipped, left: l.Unpacked}
	files, left := contents{}, l.Unpacked
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unpacking(err, l)
		}
		name, err := entry(header)
		if err != nil {
			return nil, err
		}
		if name == "" {
			continue
		}
		if _, twice := files[name]; twice {
			return nil, Refuse(Broken, "%q is in the archive twice", name)
		}
		if len(files) == l.Files {
			return nil, Refuse(TooLarge, "the archive has more than %d files", l.Files)
		}
		// What a file claims to have counts: holes are read as zeros, and take nothing of the archive.
		if left -= header.Size; left < 0 {
			return nil, unpacking(errTooMuch, l)
		}
		if files[name], err = io.ReadAll(archive); err != nil {
			return nil, unpacking(err, l)
		}
	}
	// The sum at the end of the stream is only looked at when all of it is read.
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return nil, unpacking(err, l)
	}
	if len(files) == 0 {
		return nil, Refuse(Broken, "the archive is empty")
	}
	return files, nil
}

// entry is the name of a file in an archive, and "" for what is no file and means nothing.
func entry(h *tar.Header) (string, error) {
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return "", nil
	default:
		return "", Refuse(Broken, "%q is a link or a device: a bundle holds plain files alone", h.Name)
	}
	name := strings.TrimPrefix(strings.TrimPrefix(h.Name, "."), "/") // as /x and ./x, by other tools
	if !strings.HasPrefix(h.Name, "./") && strings.HasPrefix(h.Name, ".") {
		name = h.Name // a file whose name begins with a dot
	}
	if len(name) > maxName || name == "." || !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		return "", Refuse(Broken, "%.300q is no name of a file within the bundle", h.Name)
	}
	return name, nil
}

var errTooMuch = errors.New("unpacks to too much")

func unpacking(err error, l Limits) error {
	if errors.Is(err, errTooMuch) {
		return Refuse(TooLarge, "the archive unpacks to more than %d bytes", l.Unpacked)
	}
	return Refuse(Broken, "the archive is broken: %w", err)
}

// bounded reads so much and no more.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// It may just have ended.
		if n, err := b.from.Read(make([]byte, 1)); n == 0 && err != nil {
			return 0, err
		}
		return 0, errTooMuch
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// pack writes an archive. The same files make the same bytes: names in order, no time, no owner.
func pack(files contents) ([]byte, error) {
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zipped)
	for _, name := range files.names() {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(files[name])), Mode: 0o644, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, err := archive.Write(files[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
