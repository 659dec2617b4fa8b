package control

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// put writes files below a directory.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKernelFiles(t *testing.T) {
	dir := t.TempDir()
	k := kernelFiles{proc: dir, cgroup: dir}
	for text, want := range map[string]cpuTime{
		"cpu  10 20 30 400 50 6 7 8 9 0\ncpu0 1 2 3 4 5 6 7 8\n": {81, 531},
		"cpu  10 20 30 400 50 6 7 8":                             {81, 531},
		"cpu  10 20 30 400 50 6 7":                               {},
		"cpu0 10 20 30 400 50 6 7 8":                             {},
		"cpu  10 20 x 400 50 6 7 8":                              {},
		"":                                                       {},
	} {
		put(t, dir, map[string]string{"stat": text})
		if got := k.cpu(); got != want {
			t.Errorf("cpu of %q = %+v; want %+v", text, got, want)
		}
	}
	put(t, dir, map[string]string{"proxy/cpu.stat": "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n"})
	if got, absent := k.serviceTicks("proxy"), k.serviceTicks("absent"); got != 123 || absent != 0 {
		t.Errorf("serviceTicks of the proxy and of nobody = %d, %d; want 123 and 0", got, absent)
	}
	put(t, dir, map[string]string{
		"proxy/memory.max":       "1000\n",
		"proxy/memory.current":   "700\n",
		"proxy/memory.stat":      "anon 300\nactive_file 100\ninactive_file 50\nfile 350\nslab_reclaimable 25\nshmem 9\n",
		"billing/memory.max":     "max\n",
		"billing/memory.current": "700\n",
		"control/memory.max":     "1000\n",
		"console/memory.max":     "1000\n",
		"console/memory.current": "10\n",
		"console/memory.stat":    "active_file 20\n",
	})
	var services []model.ServiceStatus
	for _, name := range []string{"proxy", "billing", "control", "console", "absent"} {
		services = append(services, model.ServiceStatus{Name: name})
	}
	want := map[string]serviceMemory{"proxy": {525, 1000}, "console": {0, 1000}}
	if diff := cmp.Diff(want, k.memory(services), cmp.AllowUnexported(serviceMemory{})); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}

	put(t, filepath.Join(dir, "crash"), map[string]string{"2-proxy.txt": "", "1-proxy.txt": "", "3-proxy.txt.new": ""})
	if got, err := crashFiles(filepath.Join(dir, "crash")); err != nil || !slices.Equal(got, []string{"1-proxy.txt", "2-proxy.txt"}) {
		t.Errorf("crashFiles = %q, %v; want those of the proxy", got, err)
	}
	if got, err := crashFiles(filepath.Join(dir, "absent")); got != nil || err != nil {
		t.Errorf("crashFiles of no directory = %q, %v; want none", got, err)
	}
}
