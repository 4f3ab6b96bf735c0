package render

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// seeded are the functions of templates whose results differ from one rendering to
// the next, such that they do not: a chart would differ from itself. What they
// return depends on the template that calls them, on their arguments and on how
// often they were called with these, so that a new template changes nothing in
// another one.
type seeded struct {
	template string
	calls    map[string]int
}

// renderedAt is the time that templates see.
var renderedAt = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// beginFunction tells which template is being rendered: the engine does not.
const beginFunction = "podcullisBegin"

// seed makes every template of a chart say that it begins.
func seed(c *chart.Chart) *seeded {
	begin := func(c *chart.Chart) {
		for i, f := range c.Templates {
			if strings.HasPrefix(path.Base(f.Name), "_") {
				continue
			}
			call := fmt.Sprintf("{{ %s %q }}", beginFunction, path.Join(c.ChartFullPath(), f.Name))
			c.Templates[i] = &common.File{Name: f.Name, Data: append([]byte(call), f.Data...), ModTime: f.ModTime}
		}
	}
	var all func(c *chart.Chart)
	all = func(c *chart.Chart) {
		begin(c)
		for _, d := range c.Dependencies() {
			all(d)
		}
	}
	all(c)
	return &seeded{}
}

func (s *seeded) begin(name string) string {
	s.template, s.calls = name, map[string]int{}
	return ""
}

// source is what a call draws from.
func (s *seeded) source(function string, args ...any) *rand.ChaCha8 {
	call := fmt.Sprintf("%q", append([]any{s.template, function}, args...))
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[call]++
	return rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%s %d", call, s.calls[call])))
}

const (
	numerals = "0123456789"
	letters  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// characters draws a string from an alphabet.
func (s *seeded) characters(function, alphabet string) func(int) string {
	return func(n int) string {
		r := rand.New(s.source(function, n)) //nolint:gosec // it must not be random
		var b strings.Builder
		for range n {
			b.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
}

// certificate has the fields of the one that sprig makes. Its texts are PEM, and
// hold nothing.
type certificate struct{ Cert, Key string }

func (s *seeded) certificate(function string) func(...any) certificate {
	return func(args ...any) certificate {
		r := s.source(function, args...)
		return certificate{Cert: block(r, "CERTIFICATE"), Key: block(r, "PRIVATE KEY")}
	}
}

func block(r *rand.ChaCha8, kind string) string {
	const size = 256
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: draw(r, size)}))
}

func draw(r *rand.ChaCha8, n int) []byte {
	data := make([]byte, n)
	_, _ = r.Read(data) // which always fills it
	return data
}

// bcrypt looks like a hash, and is one of nothing that could be logged in with.
func (s *seeded) bcrypt(password string) string {
	const hashed = 53
	return "$2a$10$" + s.characters("bcrypt "+password, "./"+letters+numerals)(hashed)
}

// encryptAES is sprig's, with an initialization vector of ours.
func (s *seeded) encryptAES(password, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	const keySize = 32
	key := make([]byte, keySize)
	copy(key, password)
	b, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	padding := aes.BlockSize - len(text)%aes.BlockSize
	content := append([]byte(text), bytes.Repeat([]byte{byte(padding)}, padding)...)
	vector := draw(s.source("encryptAES", password, text), aes.BlockSize)
	out := make([]byte, len(content))
	cipher.NewCBCEncrypter(b, vector).CryptBlocks(out, content)
	return base64.StdEncoding.EncodeToString(append(vector, out...)), nil
}

func (s *seeded) uuid() string {
	b := draw(s.source("uuidv4"), 16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *seeded) integer(least, bound int) (int, error) {
	if bound <= least {
		return 0, errors.New("randInt: the second number must be greater than the first")
	}
	return least + rand.New(s.source("randInt", least, bound)).IntN(bound-least), nil //nolint:gosec // it must not be random
}

func (s *seeded) shuffle(text string) string {
	r := []rune(text)
	rand.New(s.source("shuffle", text)).Shuffle(len(r), func(i, j int) { r[i], r[j] = r[j], r[i] }) //nolint:gosec // it must not be random
	return string(r)
}

// custom takes a certificate and its key as they are.
func custom(cert, key string) (certificate, error) {
	c, err := base64.StdEncoding.DecodeString(cert)
	if err != nil {
		return certificate{}, errors.New("unable to decode base64 certificate")
	}
	k, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return certificate{}, errors.New("unable to decode base64 private key")
	}
	return certificate{string(c), string(k)}, nil
}

// ago is how long before the time that templates see something was.
func ago(date any) string {
	t := renderedAt
	switch date := date.(type) {
	case time.Time:
		t = date
	case int64:
		t = time.Unix(date, 0)
	case int:
		t = time.Unix(int64(date), 0)
	}
	return renderedAt.Sub(t).Round(time.Second).String()
}

// functions are ours in place of sprig's. keys and values are those of a map,
// which sprig returns in any order.
func (s *seeded) functions() template.FuncMap {
	const printable = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + numerals + letters
	f := template.FuncMap{
		beginFunction:   s.begin,
		"randAlphaNum":  s.characters("randAlphaNum", letters+numerals),
		"randAlpha":     s.characters("randAlpha", letters),
		"randNumeric":   s.characters("randNumeric", numerals),
		"randAscii":     s.characters("randAscii", printable),
		"randBytes":     func(n int) string { return base64.StdEncoding.EncodeToString(draw(s.source("randBytes", n), n)) },
		"randInt":       s.integer,
		"shuffle":       s.shuffle,
		"uuidv4":        s.uuid,
		"bcrypt":        s.bcrypt,
		"encryptAES":    s.encryptAES,
		"genPrivateKey": func(kind string) string { return block(s.source("genPrivateKey", kind), "PRIVATE KEY") },
		"htpasswd": func(user, password string) string {
			if strings.Contains(user, ":") {
				return "invalid username: " + user
			}
			return user + ":" + s.bcrypt(password)
		},
		"buildCustomCert": custom,
		"now":             func() time.Time { return renderedAt },
		"ago":             ago,
		"keys": func(dicts ...map[string]any) []string {
			var out []string
			for _, d := range dicts {
				out = append(out, slices.Sorted(maps.Keys(d))...)
			}
			return out
		},
		"values": func(dict map[string]any) []any {
			var out []any
			for _, k := range slices.Sorted(maps.Keys(dict)) {
				out = append(out, dict[k])
			}
			return out
		},
	}
	for _, name := range []string{"genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey"} {
		f[name] = s.certificate(name)
	}
	return f
}
