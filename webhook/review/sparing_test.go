package review

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podcullis/podcullis/webhook/review/reviewtest"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

func TestRefusedStrangersAreOneLineASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		handler := NewHandler(allowEverything, Options{Logger: servingtest.TextLogger(&log)})
		broken := strings.Replace(servingtest.PodReview, `"operation"`, `"name":1,"operation"`, 1)
		for range 500 { // five seconds
			reviewtest.Post(t, handler, "/validate", broken)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if !strings.Contains(lines[0], `msg="review refused"`) || !strings.Contains(lines[0], "twice") || len(lines) > 7 || len(lines) < 6 {
			t.Errorf("%d lines:\n%s", len(lines), log.String())
		}
		told := 0
		for _, line := range lines {
			n := 1
			if _, rest, ok := strings.Cut(line, " reviews="); ok {
				_, _ = fmt.Sscan(rest, &n)
			}
			told += n
		}
		if told != 500 {
			t.Errorf("%d of 500 are told of:\n%s", told, log.String())
		}
	})
}
