package bundle_test

import (
	"testing"
	"time"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
)

// Which bundle may take the place of which.
func TestOlderBundlesAreToldApart(t *testing.T) {
	key := bundletest.NewKey(t)
	made := func(text string, serial int64, at time.Time) *bundle.Bundle {
		t.Helper()
		raw := bundletest.Sign(t, bundletest.Build(t, text, serial, configText+"# "+text+"\n"), key, "", at)
		b, err := bundle.Read(raw, bundle.Options{Trust: bundletest.Trust(t, key, "")})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const none = -1
	later := signedAt.Add(time.Hour)
	for name, test := range map[string]struct {
		next, inForce *bundle.Bundle
		refused       bool
	}{
		"TheFirst":                    {made("a", none, time.Time{}), nil, false},
		"AHigherSerial":               {made("b", 2, signedAt), made("a", 1, later), false},
		"ALowerSerial":                {made("a", 1, later), made("b", 2, signedAt), true},
		"TheSameSerial":               {made("b", 2, later), made("a", 2, signedAt), true},
		"TheSameFilesSignedAgain":     {made("a", 2, later), made("a", 2, signedAt), false},
		"TheSameFilesSignedBefore":    {made("a", 2, signedAt), made("a", 2, later), false},
		"NoSerialAfterOne":            {made("b", none, later), made("a", 2, signedAt), true},
		"TheFirstSerial":              {made("b", 2, later), made("a", none, signedAt), false},
		"TheFirstSerialSignedAtOnce":  {made("b", 2, signedAt), made("a", none, signedAt), false},
		"TheFirstSerialSignedBefore":  {made("b", 2, signedAt), made("a", none, later), true},
		"TheFirstSerialWithoutATime":  {made("b", 2, time.Time{}), made("a", none, later), false},
		"SignedLater":                 {made("b", none, later), made("a", none, signedAt), false},
		"SignedBefore":                {made("b", none, signedAt), made("a", none, later), true},
		"SignedInTheSameSecond":       {made("b", none, signedAt), made("a", none, signedAt), true},
		"NoTimeAfterOne":              {made("b", none, time.Time{}), made("a", none, signedAt), true},
		"NeitherSerialNorTimeAtAll":   {made("b", none, time.Time{}), made("a", none, time.Time{}), false},
		"ATimeAfterNone":              {made("b", none, signedAt), made("a", none, time.Time{}), false},
		"SerialsGoBeforeTimesInOrder": {made("b", 3, signedAt.Add(-time.Hour)), made("a", 2, later), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.next.Follows(test.inForce)
			if (err != nil) != test.refused || err != nil && bundle.ReasonOf(err) != bundle.Older {
				t.Errorf("refused %v, want %v: %v", err != nil, test.refused, err)
			}
		})
	}
}

// An earlier signature of the files in force puts no clock back.
func TestWhichSignatureOfTheSameFilesCounts(t *testing.T) {
	key := bundletest.NewKey(t)
	made := func(at time.Time) *bundle.Bundle {
		t.Helper()
		b, err := bundle.Read(bundletest.Sign(t, bundletest.Build(t, "a", -1, configText), key, "", at), bundle.Options{Trust: bundletest.Trust(t, key, "")})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	later, none := signedAt.Add(time.Hour), time.Time{}
	for name, test := range map[string]struct {
		next, inForce time.Time
		want          bool
	}{
		"Later":        {later, signedAt, true},
		"AtOnce":       {signedAt, signedAt, true},
		"Earlier":      {signedAt, later, false},
		"NoTime":       {none, signedAt, false},
		"ATime":        {signedAt, none, true},
		"NeitherATime": {none, none, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := made(test.next).SignedAgain(made(test.inForce)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// What is only claimed, as nobody looked at the signature, orders nothing.
func TestAnUnverifiedTimeOrdersNothing(t *testing.T) {
	key := bundletest.NewKey(t)
	read := func(text string, at time.Time) *bundle.Bundle {
		t.Helper()
		b, err := bundle.Read(bundletest.Sign(t, bundletest.Build(t, text, -1, configText+"# "+text), key, "", at), bundle.Options{Trust: bundle.Trust{Unsigned: true}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	now, far := read("a", signedAt), read("b", signedAt.AddDate(10, 0, 0))
	if far.Ordered() || now.Follows(far) != nil {
		t.Error("a signature that nobody verified keeps newer bundles out")
	}
}
