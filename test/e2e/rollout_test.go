package e2e

import (
	"syscall"
	"testing"
)

// Replicas that are killed and that end in good order, one after the other and all the
// time, forget nothing of what was allowed. What is asked of the dead is refused, so that
// a pair can have neither in.
func TestPairsAreNeverBothInWhileReplicasComeAndGo(t *testing.T) {
	c := start(t)
	r := c.race(t)
	gates := c.behindOneAddress(t, raceGate(t), 3)
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		restarts := 0
		defer func() { stopped <- restarts }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			end := syscall.SIGTERM
			if restarts%2 == 1 {
				end = syscall.SIGKILL
			}
			if !gates[restarts%len(gates)].again(t, end) {
				return
			}
			restarts++
		}
	}()
	in, asked := 0, 0
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			r.t = t
			got := r.fire(p)
			in, asked = in+got.one, asked+*rounds
		})
	}
	close(stop)
	restarts := <-stopped
	t.Logf("%d restarts, in %d of %d rounds one was in", restarts, in, asked)
	if restarts == 0 || 2*in < asked {
		t.Errorf("%d restarts, in %d of %d rounds one was in", restarts, in, asked)
	}
}

// again ends the process and starts it anew, from a goroutine that is not the test's.
func (g *gate) again(t *testing.T, end syscall.Signal) bool {
	if err := g.process.Cmd.Process.Signal(end); err != nil {
		t.Errorf("end a replica: %v", err)
		return false
	}
	<-g.process.Exited()
	return t.Run("restart", g.start)
}
