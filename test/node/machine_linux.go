package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The addresses are of the networks for benchmarks and for documentation (RFC 2544, RFC 5737).
const (
	// Name is the node's.
	Name = "node"
	// Address is the node's.
	Address = "198.18.0.1"
	// PodNetwork is where pods have their addresses.
	PodNetwork = "198.18.1.0/24"

	outside        = "outside" // the name of its network namespace
	outsideGateway = "198.18.0.2"
)

// OutsideAddresses are of the machine that is no part of the cluster.
func OutsideAddresses() []string { return []string{"203.0.113.10", "203.0.113.77", "198.51.100.7"} }

// furnish makes a machine of the namespaces that this process was started in.
func furnish() error {
	if err := extendPath(); err != nil {
		return err
	}
	if err := mounts(); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(Name)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	return network()
}

// mounts keeps what happens here from the machine's file system.
func mounts() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dir := range []string{"/run", "/var/log", "/var/lib"} {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return nil
}

// network lays a wire from the node to the outside.
func network() error {
	commands := []string{
		"ip link set lo up",
		"ip netns add " + outside,
		"ip link add uplink type veth peer name uplink netns " + outside,
		"ip addr add " + Address + "/24 dev uplink",
		"ip link set uplink up",
		"ip route add default via " + outsideGateway,
		"ip -n outside link set lo up",
		"ip -n outside addr add " + outsideGateway + "/24 dev uplink",
		"ip -n outside link set uplink up",
		"ip -n outside route add default via " + Address,
	}
	for _, address := range OutsideAddresses() {
		commands = append(commands, "ip -n outside addr add "+address+"/32 dev lo")
	}
	for _, command := range commands {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil { //nolint:noctx // answers at once
			return fmt.Errorf("%s: %w: %s", command, err, bytes.TrimSpace(out))
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return fmt.Errorf("let the node forward packets: %w", err)
	}
	return nil
}

const cgroups = "/sys/fs/cgroup"

// cgroupOf is the name of the cgroup that holds all pods of the node with a folder.
func cgroupOf(dir string) string { return "podcullis-" + filepath.Base(dir) }

// hierarchies lists the folders in which each cgroup has one: a folder for each controller in
// version 1, and a single one in version 2. "unified" is version 2 without controllers, beside
// version 1; runc makes cgroups there too.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		return []string{cgroups}, nil
	}
	entries, err := os.ReadDir(cgroups)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, entry := range entries {
		if entry.IsDir() {
			out = append(out, filepath.Join(cgroups, entry.Name()))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no cgroups in %s", cgroups)
	}
	return out, nil
}

// makeCgroups makes the cgroup that kubelet expects to exist.
func makeCgroups(dir string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range all {
		own := filepath.Join(hierarchy, cgroupOf(dir))
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		// In version 1 a new cpuset is empty, and takes no process until it is told what it has.
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			content, err := os.ReadFile(filepath.Join(hierarchy, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(own, name), content, 0); err != nil {
				return err
			}
		}
		// In version 2 controllers are handed down level by level.
		if hierarchy == cgroups {
			for _, at := range []string{hierarchy, own} {
				err := os.WriteFile(filepath.Join(at, "cgroup.subtree_control"), []byte("+cpu +cpuset +memory +pids +io"), 0)
				if err != nil {
					return fmt.Errorf("hand the controllers down: %w", err)
				}
			}
		}
	}
	return nil
}

// removeCgroups removes what makeCgroups and kubelet made. Every process in them must be gone.
func removeCgroups(dir string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, hierarchy := range all {
		var found []string
		err := filepath.WalkDir(filepath.Join(hierarchy, cgroupOf(dir)), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				found = append(found, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		errs = append(errs, err)
		for _, path := range slices.Backward(found) { // the innermost first
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
