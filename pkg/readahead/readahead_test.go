package readahead_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/pkg/readahead"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errEnd = errors.New("end")

// counting counts up to n, says each number that it comes to, and ends with an error.
func counting(n int, came chan<- int) func(context.Context) iter.Seq2[int, error] {
	return func(context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				came <- i
				if !yield(i, nil) {
					return
				}
			}
			yield(0, errEnd)
		}
	}
}

func TestEverythingComesInOrder(t *testing.T) {
	t.Parallel()
	var got []int
	var last error
	for i, err := range readahead.Of(t.Context(), 1, counting(5, make(chan int, 5))) {
		if last = err; err == nil {
			got = append(got, i)
		}
	}
	if !slices.Equal(got, []int{0, 1, 2, 3, 4}) || !errors.Is(last, errEnd) {
		t.Fatalf("got %v, %v", got, last)
	}
}

func TestOneIsDrawnAhead(t *testing.T) {
	t.Parallel()
	came := make(chan int, 10)
	for i, err := range readahead.Of(t.Context(), 1, counting(10, came)) {
		if err != nil {
			t.Fatal(err)
		}
		if i < 5 {
			for next := range came { // blocks for ever if nothing is drawn while one is used
				if next == i+1 {
					break
				}
			}
			continue
		}
		break
	}
	if more := len(came); more > 2 {
		t.Fatalf("%d more were drawn than anybody asked for", more)
	}
}

func TestNobodyIsLeftBehind(t *testing.T) {
	t.Parallel()
	ended := false
	for i, err := range readahead.Of(t.Context(), 1, func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			yield(1, nil)
			<-ctx.Done()
			ended = true
		}
	}) {
		if i != 1 || err != nil {
			t.Fatal(i, err)
		}
		break
	}
	if !ended {
		t.Fatal("it went on before the goroutine had ended")
	}
}

// TestWhatWasCutOffSaysSo ends the context while somebody uses a pair and the next one
// waits: it must not look as if there were no more.
func TestWhatWasCutOffSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := make(chan struct{})
	var last error
	for _, err := range readahead.Of(ctx, 1, func(context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer close(ended)
			for yield(1, nil) {
			}
		}
	}) {
		if last = err; err == nil {
			cancel(errEnd)
			<-ended
		}
	}
	if !errors.Is(last, errEnd) {
		t.Fatalf("a sequence that was cut off ends with %v", last)
	}
}
